package dev.mobiledeploy.core

/** A JSON value, read strictly by RFC 8259: no duplicate keys, no NaN, nothing after the end. */
internal sealed interface Json {
    data class Obj(val fields: Map<String, Json>) : Json

    data class Arr(val items: List<Json>) : Json

    data class Text(val value: String) : Json

    /** A number as it was written, so that no integer loses digits. */
    data class Num(val literal: String) : Json

    data class Bool(val value: Boolean) : Json

    data object Null : Json

    companion object {
        /** @throws ContractException the text is not JSON, or nested deeper than 64. */
        fun parse(text: String): Json = JsonParser(text).document()
    }
}

/** Says what a value is, for messages. */
internal fun Json.describe(): String =
    when (this) {
        is Json.Obj -> "an object"
        is Json.Arr -> "a list of ${items.size}"
        is Json.Text -> "\"${value.take(60)}\""
        is Json.Num -> literal.take(40)
        is Json.Bool -> value.toString()
        Json.Null -> "null"
    }
