package dev.mobiledeploy.core

import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ClassifierTest {
    /** The first golden image, as a photo of the network's size. */
    private fun photo(case: FakeCase): PixelSource {
        val image = Golden.read(ByteBuffer.wrap(case.npz), case.contract).images.first()
        val argb =
            IntArray(256) {
                (0xff shl 24) or
                    (image[3 * it] shl 16) or
                    (image[3 * it + 1] shl 8) or
                    image[3 * it + 2]
            }
        return ArgbPixels(16, 16, argb)
    }

    private fun classify(what: String): Classification {
        val case = Fakes.case(what)
        return Classifier.open(case.bundle(), FakeFactory(case), 1).use { it.classify(photo(case)) }
    }

    private fun mismatch(what: String, change: (FakeEngine) -> Engine): String {
        val case = Fakes.case(what)
        val factory = FakeFactory(case, change)
        val error =
            assertThrows(ModelMismatchException::class.java) {
                Classifier.open(case.bundle(), factory, 1)
            }
        assertEquals("engines left open", 0, factory.open)
        return error.message
    }

    @Test
    fun scoresOfASoftmaxAreDequantised() {
        val best = classify("all equal").best
        assertEquals(listOf("cat", "dog", "bär", "newt"), best.map { it.label })
        assertEquals(listOf(248 / 256.0, 4 / 256.0, 0.0, 0.0), best.map { it.score })
        assertEquals(listOf(1, 2, 0, 3), best.map { it.index })
    }

    @Test
    fun floatAndByteOutputsSayTheSame() {
        assertEquals(classify("all equal").best, classify("float outside").best)
    }

    @Test
    fun logitsBecomeProbabilities() {
        val best = classify("logits").best
        assertEquals(listOf("cat", "dog", "bär", "newt"), best.map { it.label })
        assertEquals(1.0, best.sumOf { it.score }, 1e-12)
        assertTrue(best.first().score > 0.99)
    }

    @Test
    fun timesAreTold() {
        val found = classify("all equal")
        assertTrue(found.preprocessingNanos > 0 && found.inferenceNanos > 0)
    }

    @Test
    fun anotherTypeShapeOrNumberOfTensorsIsRefused() {
        fun altered(
            input: (TensorSpec) -> TensorSpec = { it },
            output: (TensorSpec) -> List<TensorSpec> = { listOf(it) },
        ) = { engine: FakeEngine ->
            object : Engine by engine {
                override val input = input(engine.input)
                override val outputs = output(engine.outputs.single())
            }
        }
        val type = mismatch("all equal", altered(input = { it.copy(type = ElementType.UINT8) }))
        assertTrue(
            type,
            type.contains("the input: expected int8 by the contract, the model has uint8"),
        )
        val layout =
            mismatch("all equal", altered(input = { it.copy(shape = listOf(1, 3, 16, 16)) }))
        assertTrue(
            layout,
            layout.contains("expected [1, 16, 16, 3]") && layout.contains("has [1, 3, 16, 16]"),
        )
        val classes =
            mismatch("all equal", altered(output = { listOf(it.copy(shape = listOf(1, 5))) }))
        assertTrue(classes, classes.contains("[1, 5]"))
        assertTrue(
            mismatch("all equal", altered(output = { listOf(it, it) }))
                .contains("expected 1 outputs, the model has 2")
        )
        val scale =
            mismatch(
                "all equal",
                altered(output = { listOf(it.copy(quantisation = Quantisation(0.5f, -128))) }),
            )
        assertTrue(scale, scale.contains("scale=0.5"))
        val zero =
            mismatch(
                "logits",
                altered(input = { it.copy(quantisation = Quantisation(1f / 128, 0)) }),
            )
        assertTrue(zero, zero.contains("zeroPoint=128"))
    }

    @Test
    fun aFreeBatchAndAnUntoldQuantisationAreAccepted() {
        val case = Fakes.case("all equal")
        val factory =
            FakeFactory(case) { engine ->
                object : Engine by engine {
                    override val input =
                        engine.input.copy(shape = listOf(-1, 16, 16, 3), quantisation = null)
                    override val outputs =
                        engine.outputs.map { it.copy(shape = listOf(-1, 4), quantisation = null) }
                }
            }
        assertEquals(
            "cat",
            Classifier.open(case.bundle(), factory, 1).use {
                it.classify(photo(case)).best.first().label
            },
        )
    }

    @Test
    fun outputsThatAreNoAnswersAreRefused() {
        fun answering(what: String, bytes: Int, value: Float): CoreException {
            val case = Fakes.case(what)
            val factory =
                FakeFactory(case) { engine ->
                    object : Engine by engine {
                        override fun run(input: ByteBuffer): List<ByteBuffer> {
                            val answer = engine.run(input).first()
                            if (bytes == answer.limit()) answer.putFloat(4, value)
                            return listOf(
                                if (bytes == answer.limit()) answer
                                else ByteBuffer.allocateDirect(bytes)
                            )
                        }
                    }
                }
            return Classifier.open(case.bundle(), factory, 1).use { classifier ->
                assertThrows(CoreException::class.java) { classifier.classify(photo(case)) }
            }
        }
        assertTrue(answering("float model", 16, Float.NaN).message.contains("NaN"))
        assertTrue(answering("float model", 12, 0f).message.contains("expected 16 bytes"))
        val off = answering("float outside", 16, 0.3f)
        assertTrue(off.message, off is ModelMismatchException && off.message.contains("grid"))
        assertTrue(answering("float outside", 16, 2f) is ModelMismatchException)
    }
}
