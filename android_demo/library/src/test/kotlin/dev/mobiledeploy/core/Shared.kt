package dev.mobiledeploy.core

import java.io.File

/** Reads what Python and Kotlin share: the toolchain's `tests/golden`. */
internal object Shared {
    private val folder =
        File(
            System.getProperty("mobiledeploy.golden")
                ?: error("-Dmobiledeploy.golden names tests/golden")
        )

    fun read(name: String): Json.Obj = Json.parse(File(folder, name).readText()) as Json.Obj
}

internal operator fun Json.get(name: String): Json = (this as Json.Obj).fields.getValue(name)

internal operator fun Json.get(index: Int): Json = (this as Json.Arr).items[index]

internal val Json.items: List<Json>
    get() = (this as Json.Arr).items
internal val Json.text: String
    get() = (this as Json.Text).value
internal val Json.double: Double
    get() = (this as Json.Num).literal.toDouble()
internal val Json.int: Int
    get() = (this as Json.Num).literal.toInt()
internal val Json.ints: List<Int>
    get() = items.map { it.int }
internal val Json.doubles: DoubleArray
    get() = DoubleArray(items.size) { items[it].double }

/** Writes a value back as JSON. */
internal fun Json.write(): String =
    when (this) {
        is Json.Obj ->
            fields.entries.joinToString(",", "{", "}") { (name, value) ->
                "${Json.Text(name).write()}:${value.write()}"
            }
        is Json.Arr -> items.joinToString(",", "[", "]") { it.write() }
        is Json.Text -> JsonText().apply { string(value) }.toString()
        is Json.Num -> literal
        is Json.Bool -> value.toString()
        Json.Null -> "null"
    }

/** A copy with another value at a path, or without what is there if [value] is null. */
internal fun Json.with(path: List<Json>, value: Json?): Json {
    val step = path.first()
    val rest = path.drop(1)
    return if (this is Json.Obj) {
        val name = step.text
        val changed = if (rest.isEmpty()) value else fields.getValue(name).with(rest, value)
        Json.Obj(if (changed == null) fields - name else fields + (name to changed))
    } else {
        val index = step.int
        val changed = if (rest.isEmpty()) value else items[index].with(rest, value)
        Json.Arr(items.take(index) + listOfNotNull(changed) + items.drop(index + 1))
    }
}
