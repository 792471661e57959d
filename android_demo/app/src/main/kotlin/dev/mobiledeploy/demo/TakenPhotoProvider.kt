package dev.mobiledeploy.demo

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.content.Intent
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/**
 * One file that a camera app may write, as long as it has been asked for a photo.
 *
 * The provider is not exported: only who was given the address with a permission for it gets in,
 * and it leads to this file and no other.
 */
internal class TakenPhotoProvider : ContentProvider() {
    override fun onCreate(): Boolean = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        val context = requireThis(uri)
        return ParcelFileDescriptor.open(file(context), ParcelFileDescriptor.parseMode(mode))
    }

    override fun getType(uri: Uri): String = "image/jpeg"

    override fun query(
        uri: Uri,
        columns: Array<String>?,
        selection: String?,
        arguments: Array<String>?,
        order: String?,
    ): Cursor {
        val file = file(requireThis(uri))
        val facts =
            mapOf<String, Any>(
                OpenableColumns.DISPLAY_NAME to file.name,
                OpenableColumns.SIZE to file.length(),
            )
        val asked = columns ?: facts.keys.toTypedArray()
        return MatrixCursor(asked).apply { addRow(asked.map(facts::get)) }
    }

    override fun insert(uri: Uri, values: ContentValues?): Uri? = null

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        arguments: Array<String>?,
    ): Int = 0

    override fun delete(uri: Uri, selection: String?, arguments: Array<String>?): Int = 0

    private fun requireThis(uri: Uri): Context {
        val context = context ?: throw FileNotFoundException("the provider is not attached")
        if (uri.path != "/$NAME") throw FileNotFoundException("no file at $uri")
        return context
    }

    companion object {
        private const val NAME = "photo.jpg"
        private const val RIGHTS =
            Intent.FLAG_GRANT_WRITE_URI_PERMISSION or Intent.FLAG_GRANT_READ_URI_PERMISSION

        /** The authority, as the manifest has it. */
        fun authority(context: Context): String = "${context.packageName}.taken"

        /** Where a camera app puts its photo. */
        fun uri(context: Context): Uri =
            Uri.Builder()
                .scheme("content")
                .authority(authority(context))
                .appendPath(NAME)
                .build()

        /** The same place for this app. */
        fun file(context: Context): File = File(context.cacheDir, "taken-$NAME")

        /** Ends what the camera app was allowed. */
        fun revoke(context: Context) = context.revokeUriPermission(uri(context), RIGHTS)
    }
}
