package dev.mobiledeploy.core

import java.nio.ByteBuffer
import kotlin.math.abs

/** Of a float model: largest difference of an output, relative to the largest golden output. */
public const val FLOAT_TOLERANCE: Double = 1e-3

/**
 * Images with the answers that a device must reproduce: `golden.npz`.
 *
 * Answers are int8 codes on the contract's grids, held as doubles; real values in a float model.
 *
 * @property names one an image.
 * @property images of the network's size.
 * @property logits for each image, one value a class.
 * @property scores for each image, one value a class; the logits where there is no softmax.
 */
public class Golden
internal constructor(
    public val names: List<String>,
    public val images: List<Pixels>,
    public val logits: List<DoubleArray>,
    public val scores: List<DoubleArray>,
) {
    public companion object {
        /**
         * Reads golden vectors.
         *
         * @param archive the file, from the buffer's position to its limit.
         * @throws GoldenException the file is damaged, does not fit the contract, or its answers do
         *   not vary, so that a broken device would pass as well.
         */
        public fun read(archive: ByteBuffer, contract: Contract): Golden {
            val arrays = readNpz(archive)
            val pixels = arrays.named("pixels")
            val count = pixels.shape.firstOrNull() ?: 0
            if (count < 2) throw damaged("expected at least two images, received $count")
            val shape = contract.input.shape.drop(1)
            pixels.require("|u1", listOf(count) + shape)
            val names = arrays.named("names")
            names.require("<U", listOf(count))
            val type = if (contract.isFloat) "<f4" else "|i1"
            val answers = listOf("logits", "scores").map { arrays.named(it) }
            answers.forEach { it.require(type, listOf(count, contract.outputs)) }
            val (logits, scores) = answers.map { array -> List(count, array::numbers) }
            if (!(logits + scores).all { row -> row.all { it.isFinite() } }) {
                throw damaged("an answer is not a finite number")
            }
            checkVariety(logits, contract)
            checkGrids(arrays, contract)
            return Golden(
                names.texts(),
                List(count) { image(pixels.bytes(it), contract) },
                logits,
                scores,
            )
        }
    }
}

private fun image(values: ByteArray, contract: Contract): Pixels =
    contract.preprocessing?.run { Pixels(width, height, values, colour.channels) }
        ?: Pixels(values.size, 1, values, 1)

private fun Map<String, NpyArray>.named(name: String): NpyArray =
    this[name] ?: throw damaged("the array `$name` is missing")

private fun NpyArray.require(wanted: String, size: List<Int>) {
    if (!type.startsWith(wanted) || shape != size) {
        throw damaged(
            "expected `$name` of type $wanted and shape $size by the contract, " +
                "received $type and $shape"
        )
    }
}

/** The grids that the answers were recorded on: of a contract with others, codes mean others. */
private fun checkGrids(arrays: Map<String, NpyArray>, contract: Contract) {
    val grids =
        listOf(
            "input" to contract.input.grid,
            "output" to contract.output.grid,
            "logits" to contract.logits,
        )
    if (contract.isFloat) return
    val recorded = arrays.named("grids")
    recorded.require("<f8", listOf(grids.size, 2))
    grids.forEachIndexed { row, (name, grid) ->
        val (scale, zeroPoint) = recorded.numbers(row)
        if (grid == null || grid.scale != scale || grid.zeroPoint.toDouble() != zeroPoint) {
            throw damaged(
                "recorded with $name on a grid of scale $scale and zero point $zeroPoint, " +
                    "the contract says $grid: it is another model's"
            )
        }
    }
}

private fun checkVariety(logits: List<DoubleArray>, contract: Contract) {
    val first = logits.first()
    val spread = logits.maxOf { largestDifference(it, first) }
    val noise =
        if (contract.isFloat) FLOAT_TOLERANCE * logits.maxOf { row -> row.maxOf(::abs) } else 0.0
    if (spread <= noise) {
        throw damaged(
            "the logits are the same for every image: they would prove nothing. Train longer"
        )
    }
}

/** The largest difference between two answers of one length. */
internal fun largestDifference(first: DoubleArray, second: DoubleArray): Double {
    var largest = 0.0
    for (index in first.indices) largest = maxOf(largest, abs(first[index] - second[index]))
    return largest
}

internal fun damaged(what: String): GoldenException = GoldenException("golden.npz: $what")
