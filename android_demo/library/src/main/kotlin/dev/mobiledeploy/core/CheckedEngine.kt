package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlin.math.round

/** How far a float may lie from the grid that it should be on, steps: float32 rounding, no more. */
private const val OFF_GRID = 1e-3

/** An engine whose tensors are those of the contract, with its outputs as numbers. */
internal class CheckedEngine
private constructor(private val engine: Engine, private val outputs: List<Output>) : AutoCloseable {
    val title: String
        get() = engine.title

    private class Output(val name: String, val type: ElementType, val grid: Grid?, val count: Int)

    /**
     * Runs the model on an encoded image.
     *
     * @return for each output the int8 codes on its grid; real values in a float model.
     * @throws ModelMismatchException a float output is not on the contract's grid.
     * @throws EngineException the runtime failed, or gave what is no number.
     */
    fun run(input: ByteBuffer): List<DoubleArray> {
        val answers = engine.run(input)
        if (answers.size != outputs.size) {
            throw EngineException(
                "$title: expected ${outputs.size} outputs, received ${answers.size}"
            )
        }
        return outputs.zip(answers, ::read)
    }

    override fun close(): Unit = engine.close()

    private fun read(output: Output, answer: ByteBuffer): DoubleArray {
        val expected = output.count * output.type.bytes
        if (answer.limit() != expected) {
            throw EngineException(
                "$title: expected $expected bytes of ${output.name}, received ${answer.limit()}"
            )
        }
        val native = answer.duplicate().order(ByteOrder.nativeOrder())
        return DoubleArray(output.count) { index ->
            when (output.type) {
                ElementType.INT8 -> native.get(index).toDouble()
                ElementType.UINT8 -> ((native.get(index).toInt() and 255) - 128).toDouble()
                ElementType.FLOAT32 -> value(native.getFloat(4 * index), output)
            }
        }
    }

    /** A float of a file of integers is a code times a scale: dividing gives the code back. */
    private fun value(real: Float, output: Output): Double {
        if (real.isNaN() || real.isInfinite()) {
            throw EngineException("$title: ${output.name} holds $real")
        }
        val grid = output.grid ?: return real.toDouble()
        val steps = real / grid.scale
        val code = round(steps) + grid.zeroPoint
        if (abs(steps - round(steps)) > OFF_GRID || code < -128 || code > 127) {
            throw ModelMismatchException(
                "$title: ${output.name} holds $real, which is not on the contract's grid " +
                    "of scale ${grid.scale}: another model"
            )
        }
        return code
    }

    companion object {
        /**
         * Opens a model and holds its tensors against the contract.
         *
         * @param tap of the opened copy, or null if it is the file as it was built.
         * @throws ModelMismatchException the model is not the one that the contract describes.
         * @throws EngineException the runtime refuses the file.
         */
        fun open(
            factory: EngineFactory,
            model: ByteBuffer,
            threads: Int,
            contract: Contract,
            tap: Tap? = null,
        ): CheckedEngine {
            val engine = factory.open(model, threads)
            return try {
                checked(engine, contract, tap)
            } catch (error: CoreException) {
                engine.close()
                throw error
            }
        }

        private fun checked(engine: Engine, contract: Contract, tap: Tap?): CheckedEngine {
            engine.input.mustBe(contract.input, engine.title, "the input")
            val expected =
                listOfNotNull(
                    contract.output,
                    tap?.let { Tensor(it.type, contract.output.shape, contract.logits) },
                )
            if (engine.outputs.size != expected.size) {
                throw ModelMismatchException(
                    "${engine.title}: expected ${expected.size} outputs, the model has " +
                        "${engine.outputs.size}"
                )
            }
            val outputs =
                engine.outputs.zip(expected) { spec, tensor ->
                    spec.mustBe(tensor, engine.title, "the output `${spec.name}`")
                    Output(spec.name, spec.type, tensor.grid, contract.outputs)
                }
            if (tap != null && engine.outputs.last().name != tap.output) {
                throw ModelMismatchException(
                    "${engine.title}: expected a further output `${tap.output}`, received " +
                        "`${engine.outputs.last().name}`"
                )
            }
            return CheckedEngine(engine, outputs)
        }
    }
}

private fun TensorSpec.mustBe(tensor: Tensor, title: String, what: String) {
    fun mismatch(expected: Any?, received: Any?) =
        ModelMismatchException(
            "$title: $what: expected $expected by the contract, the model has $received"
        )
    if (type != tensor.type) throw mismatch(tensor.type.label, type.label)
    val batchIsFree = shape.isNotEmpty() && shape[0] == -1
    if (shape != tensor.shape && !(batchIsFree && shape.drop(1) == tensor.shape.drop(1))) {
        throw mismatch(tensor.shape, shape)
    }
    val told = quantisation ?: return
    val grid = tensor.grid
    if (type == ElementType.FLOAT32) return
    val wanted =
        grid?.let {
            Quantisation(
                it.scale.toFloat(),
                if (type == ElementType.UINT8) it.zeroPoint + 128 else it.zeroPoint,
            )
        }
    if (told != wanted) throw mismatch(wanted, told)
}
