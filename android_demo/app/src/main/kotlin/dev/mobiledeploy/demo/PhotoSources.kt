package dev.mobiledeploy.demo

import android.content.ClipData
import android.content.Context
import android.content.Intent
import android.os.Build
import android.provider.MediaStore

/** The requests that hand over a photo. */
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
     * Asks the camera app for a photo with all its pixels, written to [TakenPhotoProvider].
     *
     * An app that may use the camera must have been allowed to before it may ask this.
     */
    fun take(context: Context): Intent {
        val place = TakenPhotoProvider.uri(context)
        return Intent(MediaStore.ACTION_IMAGE_CAPTURE)
            .putExtra(MediaStore.EXTRA_OUTPUT, place)
            .addFlags(
                Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION
            )
            // Rights are given for what is in the clip, not for what an extra names.
            .apply { clipData = ClipData.newRawUri(null, place) }
    }
}
