package dev.mobiledeploy.core

import java.util.Locale

/**
 * What one engine answered to a golden image.
 *
 * @property name of the image.
 * @property logits one a class: int8 codes, or real values of a float model.
 * @property scores likewise; the logits where there is no softmax.
 */
public class ImageAnswer(
    public val name: String,
    public val logits: DoubleArray,
    public val scores: DoubleArray,
)

/**
 * How an engine's answers differ from the golden ones: in steps (LSB) of the int8 grids, or, of a
 * float model, relative to the largest golden output.
 *
 * @property images how many.
 * @property exactLogits images on which every logit is equal.
 * @property maxLogits largest difference of a logit.
 * @property maxScores largest difference of a score.
 * @property sameTop1 images on which the highest logit is the same class.
 * @property worst name of the image with the largest difference of logits, then of scores; empty if
 *   there is none.
 * @property medianMillis median time of an inference, milliseconds.
 * @property answers one an image.
 */
public class GoldenComparison(
    public val images: Int,
    public val exactLogits: Int,
    public val maxLogits: Double,
    public val maxScores: Double,
    public val sameTop1: Int,
    public val worst: String,
    public val medianMillis: Double,
    public val answers: List<ImageAnswer>,
)

/**
 * Whether one engine reproduces the golden vectors.
 *
 * @property title runtime, version and kernels.
 * @property format which file it ran.
 * @property holds whether all is within the tolerance.
 * @property reason why, in words.
 * @property comparison null if the engine could not run.
 */
public class EngineVerdict(
    public val title: String,
    public val format: ModelFormat,
    public val holds: Boolean,
    public val reason: String,
    public val comparison: GoldenComparison?,
)

/**
 * Whether a device reproduces the golden vectors.
 *
 * @property contract of the model.
 * @property contractSha256 which contract, by content.
 * @property device facts about it: model, ABI, SDK, page size.
 * @property resizeHolds whether crop and resize give the bits that the contract names.
 * @property engines one each.
 */
public class Verdict(
    public val contract: Contract,
    public val contractSha256: String,
    public val device: Map<String, String>,
    public val resizeHolds: Boolean,
    public val engines: List<EngineVerdict>,
) {
    /** Whether everything holds, with at least one engine. */
    public val holds: Boolean
        get() = resizeHolds && engines.isNotEmpty() && engines.all { it.holds }

    /** The verdict as JSON, by `docs/schemas/selftest.schema.json` of the toolchain. */
    public fun toJson(): String = verdictJson(this)

    /** The verdict in a few lines, for people to share. */
    public fun toText(): String = buildString {
        append(contract.name)
            .append(": ")
            .append(if (holds) "holds" else "DOES NOT HOLD")
            .append('\n')
        device.forEach { (name, value) -> append(name).append(": ").append(value).append('\n') }
        append("crop and resize: ").append(if (resizeHolds) "bit-exact" else "WRONG").append('\n')
        for (engine in engines) {
            append(engine.title)
                .append(": ")
                .append(if (engine.holds) "holds: " else "DOES NOT HOLD: ")
                .append(engine.reason)
            engine.comparison?.let {
                append(String.format(Locale.ROOT, "; %.1f ms", it.medianMillis))
            }
            append('\n')
        }
    }
}
