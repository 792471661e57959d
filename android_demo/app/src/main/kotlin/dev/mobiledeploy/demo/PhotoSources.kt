package dev.mobiledeploy.demo

import android.content.Intent
import android.graphics.Bitmap
import android.os.Build
import android.provider.MediaStore

/** The requests that hand over a photo; none of them needs a permission. */
internal object PhotoSources {
    const val CHOOSE = 1
    const val TAKE = 2

    /**
     * Requests for one photo, the best first.
     *
     * The photo picker shows photos only and exists from Android 13 on; a file browser exists
     * nearly everywhere.
     */
    fun choose(): List<Intent> {
        val browser =
            Intent(Intent.ACTION_OPEN_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType("image/*")
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU) return listOf(browser)
        return listOf(Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*"), browser)
    }

    /**
     * Asks the camera app for a small photo.
     *
     * Without EXTRA_OUTPUT the answer holds a bitmap of some 200 pixels a side: as much as the
     * network looks at, and neither a permission nor a file provider is needed.
     */
    fun take(): Intent = Intent(MediaStore.ACTION_IMAGE_CAPTURE)

    /** The photo in the camera app's answer, or null. */
    fun taken(answer: Intent?): Bitmap? {
        val extras = answer?.extras ?: return null
        return if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            extras.getParcelable("data", Bitmap::class.java)
        } else {
            @Suppress("DEPRECATION") // The typed one came with Android 13.
            extras.getParcelable<Bitmap>("data")
        }
    }
}
