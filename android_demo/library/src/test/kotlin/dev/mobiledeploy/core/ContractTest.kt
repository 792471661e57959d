package dev.mobiledeploy.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ContractTest {
    private val shared = Shared.read("contracts.json")
    private val valid = shared["valid"].items.associate { it["what"].text to it["contract"] }

    @Test
    fun everyFieldIsRead() {
        val contract = Contract.parse(valid.getValue("int8 softmax").write())
        assertEquals("mobilenet_v2_0.35_96", contract.name)
        assertEquals(10, contract.classes)
        assertEquals(Head.SOFTMAX, contract.head)
        assertEquals(Preprocessing(96, 96, Crop.CENTER, 128.0, 128.0), contract.preprocessing)
        assertEquals(
            Tensor(ElementType.INT8, listOf(1, 96, 96, 3), Grid(1.0 / 128, 0)),
            contract.input,
        )
        assertEquals(
            Tensor(ElementType.INT8, listOf(1, 10), Grid(1.0 / 256, -128)),
            contract.output,
        )
        assertEquals(Grid(0.0625, -20), contract.logits)
        assertEquals(Tolerance(0, 1), contract.tolerance)
        assertEquals(ModelFile(ModelFormat.ONNX, 710_000, "f9".repeat(32)), contract.files[1])
        assertEquals(LabelsFile(20, "1b".repeat(32)), contract.labels)
        assertEquals(
            Tap(
                ModelFormat.TFLITE,
                "logits",
                ElementType.INT8,
                Patch(724, "9ce60700"),
                "02000000ac000000a9000000",
            ),
            contract.tap(ModelFormat.TFLITE),
        )
        assertEquals(
            Tap(ModelFormat.ONNX, "logits", ElementType.UINT8, null, "3a026200"),
            contract.tap(ModelFormat.ONNX),
        )
        assertTrue(contract.resizeHolds())
    }

    @Test
    fun theOtherValidContractsAreRead() {
        val logits = Contract.parse(valid.getValue("uint8 logits").write())
        assertEquals(ElementType.UINT8, logits.output.type)
        assertNull(logits.tap(ModelFormat.TFLITE))
        val outside = Contract.parse(valid.getValue("float32 outside, stretched").write())
        assertEquals(Crop.STRETCH, outside.preprocessing?.crop)
        assertTrue(outside.resizeHolds())
        val float = Contract.parse(valid.getValue("a float model").write())
        assertNull(float.tolerance)
        assertNull(float.input.grid)
    }

    @Test
    fun otherInputsAndTasksAreRead() {
        val grey = Contract.parse(valid.getValue("grey, not square, one sigmoid").write())
        assertEquals(
            Preprocessing(64, 96, Crop.CENTER, 0.0, 1.0, Colour.GREY),
            grey.preprocessing,
        )
        assertTrue(grey.resizeHolds())
        assertEquals(Task.BINARY, grey.task)
        assertEquals(2 to 1, grey.classes to grey.outputs)
        val several = Contract.parse(valid.getValue("several sigmoids").write())
        assertEquals(Task.MULTI_LABEL, several.task)
        val values = Contract.parse(valid.getValue("numbers of values").write())
        assertEquals(Task.REGRESSION, values.task)
        assertNull(values.preprocessing)
        assertTrue(values.resizeHolds())
        val input = Preprocessor(values).input(Pixels(640, 1, ByteArray(640) { it.toByte() }, 1))
        // The codes -128, -127 and -7, on a grid of scale 1/32 and zero point -7.
        assertEquals(-121f / 32, input.getFloat(0))
        assertEquals(-120f / 32, input.getFloat(4))
        assertEquals(0f, input.getFloat(4 * 121))
    }

    @Test
    fun contractsThatPythonRefusesAreRefusedByTheFieldsName() {
        for (case in shared["broken"].items) {
            val gone = (case["value"] as? Json.Text)?.value == "(gone)"
            val text =
                valid
                    .getValue(case["of"].text)
                    .with(case["at"].items, if (gone) null else case["value"])
                    .write()
            val what = "${case["at"].write()} = ${case["value"].write()}"
            val error = assertThrows(what, ContractException::class.java) { Contract.parse(text) }
            val says = case["says"].text
            assertTrue("$what: expected `$says` in: ${error.message}", error.message.contains(says))
            assertTrue(
                "$what: ${error.message}",
                listOf("expected", "missing", "unknown", "outside").any { it in error.message },
            )
        }
    }

    @Test
    fun otherTextsAreRefused() {
        for (text in shared["texts"].items) {
            assertThrows(text.text, ContractException::class.java) { Contract.parse(text.text) }
        }
    }

    @Test
    fun numbersThatNoTypeHoldsAreRefused() {
        val text = valid.getValue("int8 softmax").write()
        for (number in listOf("99999999999999999999", "4294967392", "9.6e1", "-0.0", "1e400")) {
            val changed = text.replace("\"image_size\":96", "\"image_size\":$number")
            assertThrows(number, ContractException::class.java) { Contract.parse(changed) }
        }
        assertThrows(ContractException::class.java) {
            Contract.parse(text.replace("\"std\":128.0", "\"std\":1e400"))
        }
    }
}
