package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32

private const val LOCAL = 0x04034b50
private const val CENTRAL = 0x02014b50
private const val END = 0x06054b50
private const val LOCAL_SIZE = 30
private const val CENTRAL_SIZE = 46
private const val END_SIZE = 22
private const val MOST_ENTRIES = 64
private const val STORED = 0
private const val ENCRYPTED = 1
private const val SUFFIX = ".npy"

/**
 * Reads the arrays of an uncompressed NumPy archive.
 *
 * Strict where a general unzipper is lenient: one disk, no comment, stored entries only, every
 * range inside the file, every checksum right.
 *
 * @param archive the file, from the buffer's position to its limit.
 * @return the arrays by name, without `.npy`.
 * @throws GoldenException the bytes are something else, or damaged.
 */
internal fun readNpz(archive: ByteBuffer): Map<String, NpyArray> {
    val file = archive.slice().order(ByteOrder.LITTLE_ENDIAN)
    val end = file.limit() - END_SIZE
    if (end < 0 || file.getInt(end) != END) {
        throw damaged("expected a zip file without a comment; it was cut off or damaged")
    }
    val count = file.u16(end + 10)
    if (count > MOST_ENTRIES) {
        throw damaged("expected at most $MOST_ENTRIES arrays, received $count")
    }
    val found = LinkedHashMap<String, NpyArray>()
    var at = file.getInt(end + 16).toLong() and 0xffffffffL
    repeat(count) {
        val head = file.inside(at, CENTRAL_SIZE.toLong(), "its directory")
        if (file.getInt(head) != CENTRAL) throw damaged("no directory entry at byte $head")
        val nameSize = file.u16(head + 28)
        val entry = file.text(file.inside(at + CENTRAL_SIZE, nameSize.toLong(), "a name"), nameSize)
        if (!entry.endsWith(SUFFIX)) throw damaged("expected arrays, received the entry `$entry`")
        val name = entry.removeSuffix(SUFFIX)
        if (found.put(name, readNpy(name, file.entry(head, name))) != null) {
            throw damaged("`$name` stands twice")
        }
        at += CENTRAL_SIZE + nameSize + file.u16(head + 30) + file.u16(head + 32)
    }
    return found
}

private fun ByteBuffer.entry(head: Int, name: String): ByteBuffer {
    if (u16(head + 8) and ENCRYPTED != 0 || u16(head + 10) != STORED) {
        throw damaged("expected `$name` to be stored, received a compressed or encrypted entry")
    }
    val size = getInt(head + 24).toLong() and 0xffffffffL
    val offset = getInt(head + 42).toLong() and 0xffffffffL
    if (getInt(head + 20).toLong() and 0xffffffffL != size) {
        throw damaged("`$name` is stored with two sizes")
    }
    val local = inside(offset, LOCAL_SIZE.toLong(), "`$name`")
    if (getInt(local) != LOCAL) throw damaged("`$name` is not at byte $local")
    val start = inside(offset + LOCAL_SIZE + u16(local + 26) + u16(local + 28), size, "`$name`")
    val bytes = ByteArray(size.toInt()) { get(start + it) }
    val sum = CRC32().apply { update(bytes, 0, bytes.size) }.value
    if (sum != getInt(head + 16).toLong() and 0xffffffffL) {
        throw damaged("`$name` is damaged: its checksum differs")
    }
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
}

private fun ByteBuffer.u16(at: Int): Int = getShort(at).toInt() and 0xffff

private fun ByteBuffer.inside(start: Long, size: Long, what: String): Int {
    if (start + size > limit()) {
        throw damaged(
            "$what would end at byte ${start + size} of ${limit()}; the file was cut off or damaged"
        )
    }
    return start.toInt()
}

private fun ByteBuffer.text(start: Int, size: Int): String =
    String(ByteArray(size) { get(start + it) }, Charsets.UTF_8)
