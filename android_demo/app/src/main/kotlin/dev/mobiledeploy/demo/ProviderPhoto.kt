package dev.mobiledeploy.demo

import android.content.ContentResolver
import android.net.Uri
import android.os.CancellationSignal
import android.provider.DocumentsContract.Document
import android.provider.MediaStore
import android.provider.Settings
import java.io.FileNotFoundException
import java.io.InputStream

/** A photo behind the `content:` address that another app gave. */
internal class ProviderPhoto(private val resolver: ContentResolver, private val uri: Uri) :
    PhotoSource {
    private val signal = CancellationSignal()

    override fun facts(): SourceFacts =
        SourceFacts(
            local = uri.authority in LOCAL || isLocalMedia(),
            downloaded = !isPartial(),
            network = Settings.Global.getInt(resolver, Settings.Global.AIRPLANE_MODE_ON, 0) == 0,
        )

    override fun open(): InputStream =
        resolver.openInputStream(uri) ?: throw FileNotFoundException("no content at $uri")

    override fun cancel() = signal.cancel()

    /** The photo picker gives out photos of clouds too, under the name of the media store. */
    private fun isLocalMedia(): Boolean =
        uri.authority == MediaStore.AUTHORITY &&
            uri.pathSegments.let { it.firstOrNull() != PICKER || LOCAL_PICKER in it }

    private fun isPartial(): Boolean {
        if (signal.isCanceled) return false
        val columns = arrayOf(Document.COLUMN_FLAGS)
        val flags =
            try {
                resolver.query(uri, columns, null, null, null, signal)?.use {
                    if (it.moveToFirst() && !it.isNull(0)) it.getInt(0) else null
                }
            } catch (_: RuntimeException) {
                // Many providers know no such column; the photo may be there all the same.
                null
            }
        return flags != null && flags and Document.FLAG_PARTIAL != 0
    }

    private companion object {
        const val PICKER = "picker"
        const val LOCAL_PICKER = "com.android.providers.media.photopicker"
        val LOCAL =
            setOf(
                "com.android.externalstorage.documents",
                "com.android.providers.downloads.documents",
                "com.android.providers.media.documents",
            )
    }
}
