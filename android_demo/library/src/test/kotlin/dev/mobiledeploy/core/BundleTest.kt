package dev.mobiledeploy.core

import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class BundleTest {
    private val case = Fakes.case("all equal")

    private fun refuse(changes: Map<String, ByteArray?>, use: (ModelBundle) -> Unit = {}): String =
        assertThrows(BundleException::class.java) { use(case.bundle(changes)) }.message

    private fun text(buffer: ByteBuffer): String =
        String(ByteArray(buffer.limit()) { buffer.get(it) })

    @Test
    fun modelsComeAsTheyAre() {
        val bundle = case.bundle()
        assertEquals("a model for TFLite", text(bundle.model(ModelFormat.TFLITE)))
        assertEquals("a model for ONNX", text(bundle.model(ModelFormat.ONNX)))
        assertEquals(listOf("bär", "cat", "dog", "newt"), bundle.labels)
        assertEquals(sha256Of(case.contractText.toByteArray()), bundle.contractSha256)
    }

    @Test
    fun tapsAreAppliedToACopy() {
        val bundle = case.bundle()
        assertEquals("a tappl for TFLitetail", bundle.tappedModel(ModelFormat.TFLITE)?.let(::text))
        assertEquals("a model for ONNXend", bundle.tappedModel(ModelFormat.ONNX)?.let(::text))
        assertEquals("a model for TFLite", text(bundle.model(ModelFormat.TFLITE)))
        assertNull(Fakes.case("logits").bundle().tappedModel(ModelFormat.TFLITE))
    }

    @Test
    fun everyMissingAssetIsNamedWithItsCure() {
        for (name in case.assets.keys) {
            val said =
                refuse(mapOf(name to null)) {
                    ModelFormat.values().forEach(it::model)
                    it.golden()
                }
            assertTrue(
                said,
                said.startsWith("$name: missing") && said.contains("mobiledeploy bundle"),
            )
        }
    }

    @Test
    fun aModelThatWasNotBuiltWithTheContractIsRefused() {
        val other = "a model for TFLitE".toByteArray()
        assertTrue(
            refuse(mapOf("model.tflite" to other)) { it.model(ModelFormat.TFLITE) }
                .contains("SHA-256")
        )
        assertTrue(
            refuse(mapOf("model.tflite" to other)) { it.tappedModel(ModelFormat.TFLITE) }
                .contains("SHA-256")
        )
        assertTrue(
            refuse(mapOf("model.onnx" to other)) { it.model(ModelFormat.ONNX) }
                .contains("expected 16 bytes")
        )
    }

    @Test
    fun labelsThatDoNotFitAreRefused() {
        fun said(labels: String) = refuse(mapOf("labels.txt" to labels.toByteArray()))
        assertTrue(
            said("bär\ncat\ndog\n").contains("expected 4 labels by the contract, received 3")
        )
        assertTrue(said("").contains("received 1"))
        assertTrue(said("bär\ncat\n \nnewt\n").contains("line 3 is empty"))
        assertTrue(said("bär\ncat\ncat\nnewt\n").contains("twice"))
        assertTrue(refuse(mapOf("labels.txt" to byteArrayOf(0xe4.toByte(), 10))).contains("UTF-8"))
    }

    @Test
    fun labelsThatWereNotBuiltWithTheContractAreRefused() {
        fun said(labels: String) = refuse(mapOf("labels.txt" to labels.toByteArray()))
        assertTrue(
            said("cat\nbär\ndog\nnewt\n")
                .startsWith("labels.txt: expected SHA-256 ${case.contract.labels.sha256}")
        )
        assertTrue(said("bär\ncat\nfox\nnewt\n").contains("not the file that was built"))
        assertTrue(said(Fakes.labels.replace("\n", "\r\n")).contains("expected 18 bytes"))
        assertTrue(said(Fakes.labels.removeSuffix("\n")).contains("received 17"))
    }

    @Test
    fun aDamagedContractIsRefusedBeforeAnythingElseIsRead() {
        val changes =
            mapOf(
                "contract.json" to case.contractText.dropLast(1).toByteArray(),
                "labels.txt" to null,
            )
        assertThrows(ContractException::class.java) { case.bundle(changes) }
    }
}
