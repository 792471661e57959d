package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.util.Base64
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class GoldenRunnerTest {
    private val device = mapOf("device" to "Pixel 8", "abi" to "arm64-v8a")

    private fun run(case: FakeCase, factory: EngineFactory = FakeFactory(case)): Verdict =
        GoldenRunner(case.bundle()).run(listOf(factory), 2, device)

    /** Equal but for numbers that are written differently, and what a run decides. */
    private fun same(what: String, expected: Json, received: Json) {
        when (expected) {
            is Json.Obj -> {
                assertEquals(
                    what,
                    expected.fields.keys.toList(),
                    (received as Json.Obj).fields.keys.toList(),
                )
                (expected.fields - setOf("contract_sha256", "median_ms")).forEach { (name, value) ->
                    same("$what.$name", value, received[name])
                }
            }
            is Json.Arr -> {
                assertEquals(what, expected.items.size, received.items.size)
                expected.items.forEachIndexed { index, value ->
                    same("$what[$index]", value, received[index])
                }
            }
            is Json.Num ->
                assertTrue(
                    "$what: ${expected.literal}, ${received.write()}",
                    abs(expected.double - received.double) <= 1e-12,
                )
            else -> assertEquals(what, expected, received)
        }
    }

    @Test
    fun verdictsArePythons() {
        for ((what, case) in Fakes.cases) {
            val verdict = run(case)
            val json = verdict.toJson()
            assertFalse(what, '\n' in json)
            val written = Json.parse(json)
            same(what, case.expected, written)
            assertEquals(
                what,
                sha256Of(case.contractText.toByteArray()),
                written["contract_sha256"].text,
            )
        }
    }

    @Test
    fun theFileAndItsTappedCopyRunAndAreClosed() {
        val case = Fakes.case("all equal")
        val factory = FakeFactory(case)
        val seen = ArrayList<Pair<Int, Int>>()
        GoldenRunner(case.bundle()).run(listOf(factory), 1, device) { _, done, total ->
            seen.add(done to total)
        }
        assertEquals(listOf("a model for TFLite", "a tappl for TFLitetail"), factory.opened)
        assertEquals(0, factory.open)
        assertEquals(List(6) { it to 6 }, seen)
    }

    @Test
    fun aTapThatChangesScoresIsFound() {
        val case = Fakes.case("all equal")
        val factory =
            FakeFactory(case) { engine ->
                object : Engine by engine {
                    override fun run(input: ByteBuffer): List<ByteBuffer> =
                        engine.run(input).also { if (it.size == 2) it.first().put(0, 99) }
                }
            }
        val engine = run(case, factory).engines.single()
        assertFalse(engine.holds)
        assertTrue(engine.reason, engine.reason.contains("computes other scores"))
    }

    @Test
    fun anEngineThatFailsDoesNotKeepOthersFromRunning() {
        val case = Fakes.case("all equal")
        val broken =
            object : EngineFactory {
                override val title = "broken"
                override val format = ModelFormat.ONNX

                override fun open(model: ByteBuffer, threads: Int): Engine =
                    throw EngineException("no such library")
            }
        val verdict = GoldenRunner(case.bundle()).run(listOf(broken, FakeFactory(case)), 1, device)
        assertFalse(verdict.holds)
        assertEquals(listOf(false, true), verdict.engines.map { it.holds })
        assertEquals("no such library", verdict.engines[0].reason)
        assertNull(verdict.engines[0].comparison)
        assertEquals(Json.Null, Json.parse(verdict.toJson())["engines"][0]["comparison"])
    }

    @Test
    fun aModelMissingFromTheAppIsTold() {
        val case = Fakes.case("all equal")
        val verdict =
            GoldenRunner(case.bundle(mapOf("model.tflite" to null)))
                .run(listOf(FakeFactory(case)), 1, device)
        assertTrue(verdict.engines.single().reason.contains("model.tflite: missing"))
    }

    @Test
    fun anotherResizeIsFound() {
        val case = Fakes.case("all equal")
        val text = case.contractText.replace(case.contract.resizeCheck!!, "0".repeat(64))
        val bundle = case.bundle(mapOf("contract.json" to text.toByteArray()))
        val verdict = GoldenRunner(bundle).run(listOf(FakeFactory(case)), 1, device)
        assertFalse(verdict.resizeHolds)
        assertFalse(verdict.holds)
        assertTrue(verdict.engines.single().holds)
        assertTrue(verdict.toText().contains("crop and resize: WRONG"))
    }

    @Test
    fun noEngineIsNoProof() {
        assertFalse(
            GoldenRunner(Fakes.case("all equal").bundle()).run(emptyList(), 1, device).holds
        )
    }

    @Test
    fun goldenVectorsThatProveNothingAreRefused() {
        val case = Fakes.case("all equal")
        val bundle = case.bundle(mapOf("golden.npz" to ByteArray(50)))
        assertThrows(GoldenException::class.java) {
            GoldenRunner(bundle).run(listOf(FakeFactory(case)), 1, device)
        }
    }

    @Test
    fun theTextNamesDeviceEngineAndWorstImage() {
        val lines = run(Fakes.case("a logit apart")).toText().lines()
        assertEquals("tiny: DOES NOT HOLD", lines[0])
        assertTrue("device: Pixel 8" in lines)
        assertTrue("crop and resize: bit-exact" in lines)
        assertTrue(
            lines.toString(),
            lines.any {
                it.startsWith(
                    "fake: DOES NOT HOLD: logits differ on 1 of 3 images, " +
                        "by up to 1 LSB; worst: dog/3.png; "
                )
            },
        )
        assertEquals("tiny: holds", run(Fakes.case("logits")).toText().lines()[0])
    }

    @Test
    fun base64IsRfc4648s() {
        for (size in 0..20) {
            val bytes = ByteArray(size) { (it * 77).toByte() }
            assertEquals(Base64.getEncoder().encodeToString(bytes), base64(bytes))
        }
    }
}
