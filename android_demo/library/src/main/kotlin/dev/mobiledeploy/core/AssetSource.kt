package dev.mobiledeploy.core

import java.io.IOException
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/** Where the assets of a bundle lie. */
public fun interface AssetSource {
    /**
     * Returns an asset's bytes, from the buffer's position to its limit; mapped memory is fine.
     *
     * @throws IOException there is no such asset, or it cannot be read.
     */
    @Throws(IOException::class) public fun read(name: String): ByteBuffer
}

/** @throws BundleException there is no such asset, or it cannot be read. */
internal fun AssetSource.asset(name: String): ByteBuffer =
    try {
        read(name)
    } catch (error: IOException) {
        throw BundleException(
            "$name: missing among the app's assets: run `mobiledeploy bundle`",
            error,
        )
    }

/**
 * The text of an asset.
 *
 * @throws BundleException it is not UTF-8.
 */
internal fun ByteBuffer.utf8(name: String): String =
    try {
        Charsets.UTF_8.newDecoder().decode(duplicate()).toString()
    } catch (error: CharacterCodingException) {
        throw BundleException("$name: expected UTF-8", error)
    }

/**
 * Goes back to index 0. A function of its own: called on a `ByteBuffer`, the method would be linked
 * with a return type that old Androids do not have.
 */
internal fun rewind(buffer: Buffer) {
    buffer.rewind()
}
