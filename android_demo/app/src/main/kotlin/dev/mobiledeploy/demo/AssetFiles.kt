package dev.mobiledeploy.demo

import android.content.res.AssetManager
import dev.mobiledeploy.core.AssetSource
import java.io.FileNotFoundException
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel

/** What `mobiledeploy bundle` put among this app's assets, in [folder]. */
internal class AssetFiles(private val assets: AssetManager, private val folder: String = FOLDER) :
    AssetSource {
    /** Whether anything was bundled at all: an app without a model is no damaged app. */
    fun isEmpty(): Boolean = assets.list(folder).isNullOrEmpty()

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

    companion object {
        const val FOLDER = "mobiledeploy"
    }
}
