package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val VERDICT_FORMAT = 1
private const val BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/** Writes a verdict on one line: `adb` gives an app's result back line by line. */
internal fun verdictJson(verdict: Verdict): String {
    val tolerance = verdict.contract.tolerance
    val text = JsonText()
    text.obj {
        field("format").number(VERDICT_FORMAT)
        field("holds").bool(verdict.holds)
        field("model").string(verdict.contract.name)
        field("contract_sha256").string(verdict.contractSha256)
        field("device").obj {
            verdict.device.forEach { (name, value) -> field(name).string(value) }
        }
        field("resize_holds").bool(verdict.resizeHolds)
        field("unit").string(if (tolerance == null) "relative" else "lsb")
        field("tolerance").obj {
            field("logits").number(tolerance?.logits ?: FLOAT_TOLERANCE)
            field("scores").number(tolerance?.scores ?: FLOAT_TOLERANCE)
        }
        field("engines").arr { verdict.engines.forEach { item().engine(it, tolerance != null) } }
    }
    return text.toString()
}

private fun JsonText.engine(engine: EngineVerdict, codes: Boolean) = obj {
    field("title").string(engine.title)
    field("file").string(engine.format.file)
    field("holds").bool(engine.holds)
    field("reason").string(engine.reason)
    field("comparison")
    val found = engine.comparison
    if (found == null) {
        nothing()
        return@obj
    }
    obj {
        field("images").number(found.images)
        field("exact_logits").number(found.exactLogits)
        field("max_logits").number(if (codes) found.maxLogits.toInt() else found.maxLogits)
        field("max_scores").number(if (codes) found.maxScores.toInt() else found.maxScores)
        field("same_top1").number(found.sameTop1)
        field("worst").string(found.worst)
        field("median_ms").number(found.medianMillis)
        field("answers").arr {
            for (answer in found.answers) {
                item().obj {
                    field("name").string(answer.name)
                    field("logits").string(packed(answer.logits, codes))
                    field("scores")
                    if (answer.scores.contentEquals(answer.logits)) {
                        nothing()
                    } else {
                        string(packed(answer.scores, codes))
                    }
                }
            }
        }
    }
}

/** Base64 of the int8 codes, or of the little-endian float32 values, one after the other. */
private fun packed(values: DoubleArray, codes: Boolean): String {
    if (codes) return base64(ByteArray(values.size) { values[it].toInt().toByte() })
    val buffer = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
    values.forEachIndexed { index, value -> buffer.putFloat(4 * index, value.toFloat()) }
    return base64(buffer.array())
}

/** RFC 4648, section 4. Java's own encoder is not in Android 7. */
internal fun base64(bytes: ByteArray): String =
    buildString((bytes.size + 2) / 3 * 4) {
        for (start in bytes.indices step 3) {
            val count = minOf(3, bytes.size - start)
            var bits = 0
            for (i in 0..2) {
                val byte = if (i < count) bytes[start + i].toInt() and 255 else 0
                bits = (bits shl 8) or byte
            }
            for (i in 0..3) {
                append(if (i <= count) BASE64[(bits shr (18 - 6 * i)) and 63] else '=')
            }
        }
    }
