package dev.mobiledeploy.core

import java.nio.ByteBuffer

private const val PREFIX_SIZE = 10
private val MAGIC = "\u0093NUMPY\u0001\u0000".toByteArray(Charsets.ISO_8859_1)
private val HEADER =
    Regex(
        """\{'descr': '([^']{1,12})', 'fortran_order': False, """ +
            """'shape': \(([0-9, ]{0,80})\), \} *\n"""
    )
private val TEXT_TYPE = Regex("<U([1-9][0-9]{0,3})")

/**
 * An array of a `.npy` file.
 *
 * @property name of the entry, for messages.
 * @property type NumPy's name: `|u1`, `|i1`, `<f4`, `<f8`, `<U12`.
 * @property shape sizes, outermost first.
 * @property data the numbers, little-endian, from index 0 on.
 */
internal class NpyArray(
    val name: String,
    val type: String,
    val shape: List<Int>,
    private val data: ByteBuffer,
) {
    /** Number of elements. */
    val count: Int
        get() = shape.fold(1, Int::times)

    /** Row [row] of a `|u1` or `|i1` array: what lies under the first index. */
    fun bytes(row: Int): ByteArray {
        val size = count / shape[0]
        return ByteArray(size) { data.get(row * size + it) }
    }

    /** Row [row] of a `|i1`, `<f4` or `<f8` array. */
    fun numbers(row: Int): DoubleArray {
        val size = count / shape[0]
        return DoubleArray(size) {
            val index = row * size + it
            when (type) {
                "<f8" -> data.getDouble(8 * index)
                "<f4" -> data.getFloat(4 * index).toDouble()
                else -> data.get(index).toDouble()
            }
        }
    }

    /** The strings of a `<U` array. */
    fun texts(): List<String> {
        val width = data.limit() / 4 / maxOf(count, 1)
        return List(count) { item ->
            val points = IntArray(width) { data.getInt(4 * (item * width + it)) }
            val end = points.indexOfLast { it != 0 } + 1
            if (!points.all(Character::isValidCodePoint)) {
                throw damaged("`$name` holds what is no text")
            }
            String(points, 0, end)
        }
    }
}

/**
 * Reads a `.npy` file, version 1.0, C order.
 *
 * @throws GoldenException it is something else, or its length is not what its header says.
 */
internal fun readNpy(name: String, data: ByteBuffer): NpyArray {
    val prefixed = data.limit() >= PREFIX_SIZE && MAGIC.indices.all { data.get(it) == MAGIC[it] }
    val headerSize = if (prefixed) data.getShort(8).toInt() and 0xffff else 0
    if (!prefixed || PREFIX_SIZE + headerSize > data.limit()) {
        throw damaged("`$name` is no array of NumPy's format 1.0")
    }
    val header = String(ByteArray(headerSize) { data.get(PREFIX_SIZE + it) }, Charsets.ISO_8859_1)
    val (type, sizes) =
        HEADER.matchEntire(header)?.destructured
            ?: throw damaged("`$name` has a header that is not known: ${header.take(80)}")
    val shape =
        sizes.split(',').map(String::trim).filter(String::isNotEmpty).map {
            it.toLongOrNull() ?: Long.MAX_VALUE
        }
    val body = (data.limit() - PREFIX_SIZE - headerSize).toLong()
    var bytes = itemSize(name, type).toLong()
    for (size in shape) {
        // Of a product that fits the file, no factor is larger than the file.
        if (size > body || (bytes * size > body)) {
            throw damaged("`$name` says it has shape ($sizes), but holds $body bytes")
        }
        bytes *= size
    }
    if (bytes != body) throw damaged("`$name` says it has shape ($sizes), but holds $body bytes")
    val numbers = ByteArray(body.toInt()) { data.get(PREFIX_SIZE + headerSize + it) }
    return NpyArray(
        name,
        type,
        shape.map(Long::toInt),
        ByteBuffer.wrap(numbers).order(data.order()),
    )
}

private fun itemSize(name: String, type: String): Int =
    when (type) {
        "|u1",
        "|i1" -> 1
        "<f4" -> 4
        "<f8" -> 8
        else ->
            TEXT_TYPE.matchEntire(type)?.let { 4 * it.groupValues[1].toInt() }
                ?: throw damaged("`$name` has the type $type, expected |u1, |i1, <f4, <f8 or <U")
    }
