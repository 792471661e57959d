package dev.mobiledeploy.demo

import java.io.BufferedInputStream
import java.io.File
import java.io.InputStream
import java.io.RandomAccessFile

/**
 * Tells truncated photos, which Android's decoder fills up with grey without saying so.
 *
 * The toolchain refuses such files, and a score for a half-grey photo would be a lie. Formats that
 * are not looked at here count as whole; the decoder has the last word.
 */
internal object WholeFile {
    /** Whether a JPEG, PNG or WebP file has its end; true for other files. */
    fun hasEnd(file: File): Boolean {
        val head = ByteArray(12)
        val read = file.inputStream().use { it.read(head) }
        val text = String(head, 0, maxOf(read, 0), Charsets.ISO_8859_1)
        return when {
            text.startsWith("\u00ff\u00d8") ->
                BufferedInputStream(file.inputStream()).use(::endOfJpeg)
            text.startsWith("\u0089PNG") -> endOfPng(file)
            text.startsWith("RIFF") && text.endsWith("WEBP") -> endOfWebp(head, file.length())
            else -> true
        }
    }

    /** Follows the segments to the image data, and that to the end-of-image marker. */
    private fun endOfJpeg(stream: InputStream): Boolean {
        var marker = nextMarker(stream)
        while (marker != JPEG_END) {
            if (marker < 0) return false
            if (marker !in JPEG_WITHOUT_LENGTH) {
                val length = stream.read() * 256 + stream.read()
                if (length < 2 || !skip(stream, length - 2L)) return false
            }
            marker = nextMarker(stream)
        }
        return true
    }

    /** Skips image data and fill bytes, in which 0xff is followed by 0 or 0xff; -1 at the end. */
    private fun nextMarker(stream: InputStream): Int {
        while (true) {
            var byte = stream.read()
            if (byte != JPEG_MARK) {
                if (byte < 0) return -1
                continue
            }
            while (byte == JPEG_MARK) byte = stream.read()
            if (byte != 0) return byte
        }
    }

    /** Follows the chunks: length, name, data, checksum. */
    private fun endOfPng(file: File): Boolean =
        RandomAccessFile(file, "r").use { png ->
            var position = PNG_SIGNATURE
            while (position + PNG_CHUNK <= png.length()) {
                png.seek(position)
                val length = png.readInt().toLong() and 0xffffffffL
                val name = png.readInt()
                position += PNG_CHUNK + length
                if (name == PNG_END) return position <= png.length()
            }
            false
        }

    /** Compares the size in the header, which lacks the first 8 bytes, with the file's. */
    private fun endOfWebp(head: ByteArray, size: Long): Boolean {
        val said =
            (7 downTo 4).fold(0L) { sum, index -> sum * 256 + (head[index].toInt() and 0xff) }
        return size >= said + 8
    }

    private fun skip(stream: InputStream, count: Long): Boolean {
        var left = count
        while (left > 0) {
            val skipped = stream.skip(left)
            if (skipped > 0) {
                left -= skipped
            } else {
                if (stream.read() < 0) return false
                left--
            }
        }
        return true
    }

    private const val JPEG_MARK = 0xff
    private const val JPEG_END = 0xd9
    private const val PNG_SIGNATURE = 8L

    /** Bytes of a chunk beside its data. */
    private const val PNG_CHUNK = 12L
    private const val PNG_END = 0x49454e44 // IEND

    /** Start of image, restart markers and one that means nothing: no length follows them. */
    private val JPEG_WITHOUT_LENGTH = setOf(0x01) + (0xd0..0xd8)
}
