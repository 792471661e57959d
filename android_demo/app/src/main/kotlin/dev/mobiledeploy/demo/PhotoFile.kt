package dev.mobiledeploy.demo

import android.content.ContentResolver
import android.graphics.Bitmap
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/**
 * The app's own copy of the photo in use.
 *
 * A provider may serve a photo once, slowly, and only as long as this process lives; the copy can
 * be read again, and outlives the process, so that the screen can come back as it was.
 */
internal class PhotoFile(folder: File) {
    val file: File = File(folder, "photo")

    /**
     * Copies what the user chose.
     *
     * @throws ProblemException it cannot be read, or is no file of this size.
     */
    fun copy(resolver: ContentResolver, uri: Uri) = replace { out ->
        open(resolver, uri).use {
            val block = ByteArray(1 shl 16)
            var total = 0L
            while (true) {
                val read = it.read(block)
                if (read < 0) break
                total += read
                if (total > LARGEST) throw IOException("more than $LARGEST bytes")
                out.write(block, 0, read)
            }
        }
    }

    private fun open(resolver: ContentResolver, uri: Uri): InputStream =
        try {
            resolver.openInputStream(uri)
        } catch (e: RuntimeException) {
            // Another app serves the photo, and what it throws arrives here: a right that was
            // given for a while only and is gone, or a fault of its own.
            throw IOException("no content at $uri", e)
        } ?: throw FileNotFoundException("no content at $uri")

    /** Keeps the camera app's small photo, without a loss. */
    fun keep(bitmap: Bitmap) = replace { out ->
        if (!bitmap.compress(Bitmap.CompressFormat.PNG, 100, out))
            throw IOException("the photo is empty")
    }

    /** Writes beside the old copy, which stays until the new one is whole. */
    private fun replace(write: (OutputStream) -> Unit) {
        val fresh = File(file.path + ".new")
        try {
            fresh.outputStream().use(write)
            if (!fresh.renameTo(file)) throw IOException("cannot rename $fresh")
        } catch (e: IOException) {
            throw ProblemException(UNREADABLE, e)
        } finally {
            fresh.delete()
        }
    }

    companion object {
        val UNREADABLE = Problem(R.string.unreadable_title, R.string.unreadable_hint)

        private const val LARGEST = 512L shl 20
    }
}
