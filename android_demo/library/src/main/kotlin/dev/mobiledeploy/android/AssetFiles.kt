package dev.mobiledeploy.android

import android.content.res.AssetManager
import dev.mobiledeploy.core.AssetSource
import java.io.FileNotFoundException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** What `mobiledeploy bundle` put among this app's assets, in [folder]. */
public class AssetFiles(
    private val assets: AssetManager,
    private val folder: String = FOLDER,
) : AssetSource {
    /** Whether anything was bundled at all: an app without a model is no damaged app. */
    public fun isEmpty(): Boolean = assets.list(folder).isNullOrEmpty()

    /** Whether a file of this name was bundled: `bundle --engine` leaves a model out. */
    public fun holds(name: String): Boolean = name in assets.list(folder).orEmpty()

    /** Maps a file that is stored in the APK, and reads one that is deflated. */
    @Throws(IOException::class)
    override fun read(name: String): ByteBuffer {
        val path = "$folder/$name"
        val descriptor =
            try {
                assets.openFd(path)
            } catch (_: FileNotFoundException) {
                // Deflated or missing; opening it as a stream tells.
                return assets.open(path).use { direct(it.readBytes()) }
            }
        return descriptor.use {
            it.createInputStream().channel.use { channel ->
                channel
                    .map(FileChannel.MapMode.READ_ONLY, it.startOffset, it.declaredLength)
                    .order(ByteOrder.nativeOrder())
            }
        }
    }

    private fun direct(bytes: ByteArray): ByteBuffer {
        val buffer = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
        buffer.put(bytes)
        buffer.rewind()
        return buffer
    }

    public companion object {
        /** Where `mobiledeploy bundle` puts its files. */
        public const val FOLDER: String = "mobiledeploy"
    }
}
