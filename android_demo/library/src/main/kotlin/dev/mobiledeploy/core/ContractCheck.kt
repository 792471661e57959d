package dev.mobiledeploy.core

import kotlin.math.abs

private const val RELATIVE = 1e-6
private val SOFTMAX_GRID = Grid(scale = 1.0 / 256, zeroPoint = -128)

/**
 * Makes sure that the fields agree with each other.
 *
 * @throws ContractException they do not; the message names the fields.
 */
internal fun Contract.check() {
    if (preprocessing == null) {
        agree("input.shape", input.shape.take(1), listOf(1), "the format")
    } else {
        val shape = preprocessing.run { listOf(1, height, width, colour.channels) }
        agree("input.shape", input.shape, shape, "image_size ${preprocessing.height}")
    }
    checkOutputs()
    agree("output.dtype", output.type, input.type, "input.dtype")
    agree("files", files.map { it.format }, ModelFormat.values().toList(), "the format")
    val grids = listOf("input.grid" to input.grid, "output.grid" to output.grid, "logits" to logits)
    if (isFloat) {
        grids.forEach { (name, grid) ->
            agree(name, grid, null, "a float model, which `tolerance` null means")
        }
        agree(
            "input.dtype",
            input.type,
            ElementType.FLOAT32,
            "a float model, which `tolerance` null means",
        )
        agree("taps", taps, emptyList<Tap>(), "a float model, which `tolerance` null means")
        return
    }
    grids.forEach { (name, grid) ->
        if (grid == null) throw ContractException("$name: expected a grid, received null")
    }
    checkInputGrid()
    when (head) {
        Head.SOFTMAX -> {
            agree("output.grid", output.grid, SOFTMAX_GRID, "scores of integers")
            agree(
                "taps",
                taps.map { it.format },
                ModelFormat.values().toList(),
                "scores of integers",
            )
            taps.forEach(::checkTap)
        }
        Head.LOGITS -> {
            agree("output.grid", output.grid, logits, "head logits: the grid of `logits`")
            agree("taps", taps, emptyList<Tap>(), "head logits")
        }
    }
}

private fun Contract.checkOutputs() {
    agree("output.shape", output.shape, listOf(1, outputs), "$classes classes, ${task.label}")
    if (classes < task.fewest || (task == Task.BINARY && classes > task.fewest)) {
        throw ContractException(
            "classes: expected ${task.fewest} for ${task.label}, received $classes"
        )
    }
}

/** The int8 code of pixel p is p - 128; on the grid that must be `(p - mean) / std`. */
private fun Contract.checkInputGrid() {
    val grid = input.grid ?: return
    val preprocessing = preprocessing ?: return
    val zeroPoint = preprocessing.mean - 128
    if (
        grid.zeroPoint.toDouble() != zeroPoint || abs(grid.scale * preprocessing.std - 1) > RELATIVE
    ) {
        throw ContractException(
            "input.grid: expected scale ${1 / preprocessing.std} and zero point $zeroPoint " +
                "by mean and std, received ${grid.scale} and ${grid.zeroPoint}"
        )
    }
}

private fun Contract.checkTap(tap: Tap) {
    val size = files.first { it.format == tap.format }.size
    val patch = tap.patch ?: return
    if (patch.offset > size - patch.bytes.length / 2) {
        throw ContractException(
            "taps: the patch at byte ${patch.offset} of ${tap.format.file} lies outside its " +
                "$size bytes"
        )
    }
}

private fun agree(name: String, received: Any?, expected: Any?, because: String) {
    if (received != expected) {
        throw ContractException("$name: expected $expected by $because, received $received")
    }
}
