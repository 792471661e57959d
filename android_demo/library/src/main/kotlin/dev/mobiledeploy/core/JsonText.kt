package dev.mobiledeploy.core

/** Writes JSON, ASCII only, without spaces. */
internal class JsonText {
    private val text = StringBuilder()

    fun obj(fields: JsonText.() -> Unit) = between('{', '}', fields)

    fun arr(items: JsonText.() -> Unit) = between('[', ']', items)

    fun field(name: String): JsonText = item().apply { quoted(name).append(':') }

    /** Puts a comma before a value that is not the first of its list. */
    fun item(): JsonText {
        if (text.last() != '[' && text.last() != '{') text.append(',')
        return this
    }

    fun string(value: String) {
        quoted(value)
    }

    fun bool(value: Boolean) {
        text.append(value)
    }

    /** A finite number; JSON has no others. */
    fun number(value: Number) {
        require(value.toDouble().isFinite()) { "$value is no JSON number" }
        text.append(value)
    }

    fun nothing() {
        text.append("null")
    }

    override fun toString(): String = text.toString()

    private fun between(open: Char, close: Char, content: JsonText.() -> Unit) {
        text.append(open)
        content()
        text.append(close)
    }

    private fun quoted(value: String): StringBuilder {
        text.append('"')
        for (char in value) {
            when {
                char == '"' || char == '\\' -> text.append('\\').append(char)
                char in ' '..'~' -> text.append(char)
                else -> text.append("\\u").append(char.code.toString(16).padStart(4, '0'))
            }
        }
        return text.append('"')
    }
}
