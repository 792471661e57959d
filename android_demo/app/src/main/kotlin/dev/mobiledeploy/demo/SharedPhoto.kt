package dev.mobiledeploy.demo

import android.content.ContentResolver
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Build

/**
 * The photo that another app shares by `ACTION_SEND`; null where [intent] shares none that may be
 * read.
 *
 * Only `content:` addresses count, and none of this app itself: a `file:` address would be read
 * with this app's rights, and so could show its own files.
 */
internal fun sharedPhoto(context: Context, intent: Intent): Uri? {
    val uri =
        try {
            stream(intent)
        } catch (_: RuntimeException) {
            // Extras are read now, and may hold classes that this app does not know.
            null
        }
    return uri?.takeIf {
        it.scheme == ContentResolver.SCHEME_CONTENT &&
            // Rights are checked by the part behind an @, which names a user.
            it.authority?.substringAfterLast('@')?.startsWith(context.packageName) == false
    }
}

private fun stream(intent: Intent): Uri? =
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
        intent.getParcelableExtra(Intent.EXTRA_STREAM, Uri::class.java)
    } else {
        @Suppress("DEPRECATION") // The typed one came with Android 13.
        intent.getParcelableExtra<Uri>(Intent.EXTRA_STREAM)
    }
