package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.security.MessageDigest

private const val DIGITS = "0123456789abcdef"

/** SHA-256 of bytes, 64 hexadecimal digits. */
internal fun sha256Of(bytes: ByteArray): String = sha256Of(ByteBuffer.wrap(bytes))

/** SHA-256 from a buffer's position to its limit, which stay as they are. */
internal fun sha256Of(bytes: ByteBuffer): String {
    val digest = MessageDigest.getInstance("SHA-256")
    digest.update(bytes.duplicate())
    return toHex(digest.digest())
}

internal fun toHex(bytes: ByteArray): String =
    buildString(2 * bytes.size) {
        for (byte in bytes) append(DIGITS[(byte.toInt() shr 4) and 15])
            .append(DIGITS[byte.toInt() and 15])
    }

/** The bytes of checked hexadecimal digits. */
internal fun fromHex(digits: String): ByteArray =
    ByteArray(digits.length / 2) { digits.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
