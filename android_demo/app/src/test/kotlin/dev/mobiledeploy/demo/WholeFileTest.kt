package dev.mobiledeploy.demo

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

/** Whole photos pass, whatever hangs behind them; cut ones do not, wherever they are cut. */
class WholeFileTest {
    @get:Rule val folder = TemporaryFolder()

    @Test
    fun wholePhotosPass() {
        val photos = TestFiles.photos.listFiles()!!.filter { it.extension != "tsv" }
        assertEquals(20, photos.size)
        for (photo in photos) assertTrue(photo.name, WholeFile.hasEnd(photo))
    }

    @Test
    fun whatHangsBehindThePhotoDoesNotMatter() {
        // Phones put a second picture or a film there.
        for (name in listOf("turned.jpg", "upright.png", "lossless.webp")) {
            assertTrue(
                name,
                WholeFile.hasEnd(
                    file(File(TestFiles.photos, name).readBytes() + ByteArray(100) { 7 })
                ),
            )
        }
    }

    @Test
    fun cutPhotosDoNotPass() {
        for (name in listOf("turned.jpg", "progressive.jpg", "upright.png", "lossless.webp")) {
            val bytes = File(TestFiles.photos, name).readBytes()
            // From where the format can be told; PNG's last four bytes are a checksum, read or not.
            for (length in (12 until bytes.size - 1).step(37) + (bytes.size - 1)) {
                assertFalse(
                    "$name, $length of ${bytes.size} bytes",
                    WholeFile.hasEnd(file(bytes.copyOf(length))),
                )
            }
        }
    }

    private fun file(bytes: ByteArray): File = folder.newFile().apply { writeBytes(bytes) }
}
