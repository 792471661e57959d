package dev.mobiledeploy.core

/**
 * The fields of a JSON object whose names must be [names], and any of [optional]; [where] is its
 * path.
 */
internal class Fields(
    private val where: String,
    json: Json,
    vararg names: String,
    optional: Set<String> = emptySet(),
) {
    private val fields: Map<String, Json>

    init {
        val found = (json as? Json.Obj ?: throw expected(where, "an object", json)).fields
        val missing = names.filter { it !in found }
        if (missing.isNotEmpty()) {
            throw ContractException("$where: missing ${missing.joinToString()}")
        }
        val unknown = found.keys - names.toSet() - optional
        if (unknown.isNotEmpty()) {
            throw ContractException(
                "$where: unknown ${unknown.joinToString { it.take(60) }}: the contract is of " +
                    "another version than the app"
            )
        }
        fields = found
    }

    fun path(name: String): String = if (where == ROOT) name else "$where.$name"

    fun json(name: String): Json = fields.getValue(name)

    operator fun contains(name: String): Boolean = name in fields

    fun text(name: String): String =
        (json(name) as? Json.Text ?: throw expected(path(name), "a string", json(name))).value

    fun int(name: String, range: IntRange): Int = json(name).int(path(name), range)

    fun number(name: String): Double {
        val literal =
            (json(name) as? Json.Num ?: throw expected(path(name), "a number", json(name))).literal
        return literal.toDouble().also {
            if (it.isInfinite()) throw expected(path(name), "a finite number", json(name))
        }
    }

    fun items(name: String): List<Json> =
        (json(name) as? Json.Arr ?: throw expected(path(name), "a list", json(name))).items

    fun <T> oneOf(name: String, choices: List<T>, label: (T) -> String): T =
        choices.firstOrNull { label(it) == (json(name) as? Json.Text)?.value }
            ?: throw expected(path(name), choices.joinToString(" or ") { label(it) }, json(name))

    /** Lower-case hexadecimal digits, two a byte. */
    fun hex(name: String, bytes: IntRange): String =
        text(name).also { digits ->
            val fits = digits.length % 2 == 0 && digits.length / 2 in bytes
            if (!fits || !digits.all { it in '0'..'9' || it in 'a'..'f' }) {
                throw expected(path(name), "$bytes bytes in hexadecimal", json(name))
            }
        }

    fun <T : Any> orNull(name: String, read: (String, Json) -> T): T? =
        json(name).let { if (it == Json.Null) null else read(path(name), it) }

    companion object {
        const val ROOT = "contract.json"
    }
}

/** An integer, written without a fraction or an exponent. */
internal fun Json.int(where: String, range: IntRange): Int =
    (this as? Json.Num)?.literal?.toIntOrNull()?.takeIf { it in range }
        ?: throw expected(where, "an integer in ${range.first}..${range.last}", this)

internal fun expected(where: String, what: String, received: Json): ContractException =
    ContractException("$where: expected $what, received ${received.describe()}")
