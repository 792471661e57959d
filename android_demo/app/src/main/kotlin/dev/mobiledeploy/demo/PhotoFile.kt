package dev.mobiledeploy.demo

import android.graphics.Bitmap
import java.io.File
import java.io.IOException

/**
 * The app's own copy of the photo in use.
 *
 * A provider may serve a photo once, slowly, and only as long as this process lives; the copy can
 * be read again, and outlives the process, so that the screen can come back as it was.
 */
internal class PhotoFile(private val folder: File) {
    val file: File = File(folder, "photo")
    private var count = 0

    /** A name for a copy that is being made. */
    fun fresh(): File = File(folder, "${file.name}-${++count}$FRESH")

    /**
     * Puts a finished copy in place of the old one.
     *
     * @throws ProblemException it cannot be done.
     */
    fun replace(fresh: File) {
        if (fresh.renameTo(file)) return
        fresh.delete()
        throw ProblemException(NotFetched.NO_SPACE.problem())
    }

    /** Keeps a picture, without a loss. */
    fun keep(bitmap: Bitmap) {
        val fresh = File(folder, "${file.name}$FRESH")
        try {
            fresh.outputStream().use {
                if (!bitmap.compress(Bitmap.CompressFormat.PNG, 100, it))
                    throw IOException("the picture is empty")
            }
        } catch (e: IOException) {
            fresh.delete()
            throw ProblemException(NotFetched.NO_SPACE.problem(), e)
        }
        replace(fresh)
    }

    /** Deletes what copies of an earlier process have left. */
    fun clean() {
        folder.listFiles { path -> path.name.endsWith(FRESH) }?.forEach { it.delete() }
    }

    companion object {
        val UNREADABLE = Problem(R.string.unreadable_title, R.string.unreadable_hint)

        private const val FRESH = ".new"
    }
}
