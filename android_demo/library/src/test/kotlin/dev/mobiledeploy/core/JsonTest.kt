package dev.mobiledeploy.core

import kotlin.random.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class JsonTest {
    private fun refuse(text: String): String {
        val error = assertThrows(text.take(40), ContractException::class.java) { Json.parse(text) }
        assertTrue(error.message, error.message.startsWith("not JSON"))
        return error.message
    }

    @Test
    fun everyKindOfValueIsRead() {
        val text =
            """ {"a" : [1, -2.5e+3, true, false, null, "\u00e4\n\"\\\/"], "b":{}, "c":[] } """
        val found = Json.parse(text)
        assertEquals(
            listOf("1", "-2.5e+3"),
            found["a"].items.take(2).map { (it as Json.Num).literal },
        )
        assertEquals(
            listOf(Json.Bool(true), Json.Bool(false), Json.Null),
            found["a"].items.slice(2..4),
        )
        assertEquals("ä\n\"\\/", found["a"][5].text)
        assertEquals(0, found["c"].items.size)
    }

    @Test
    fun whatIsWrittenIsReadBack() {
        val nasty = "\u0000\u001f \"\\/ \u007f ä € \ud83d\ude00 \u2028"
        val written = JsonText().apply { string(nasty) }.toString()
        assertTrue(written.all { it in ' '..'~' })
        assertEquals(nasty, Json.parse(written).text)
    }

    @Test
    fun looseDialectsAreRefused() {
        val texts =
            listOf(
                "NaN",
                "Infinity",
                "-",
                "01",
                "1.",
                ".5",
                "+1",
                "1e",
                "0x10",
                "'a'",
                "[1,]",
                "[,]",
                "{\"a\":1,}",
                "{a:1}",
                "{\"a\" 1}",
                "{\"a\":}",
                "[1 2]",
                "tru",
                "nulll",
                "[1]]",
                "\"a",
                "\"\\x\"",
                "\"\\u12g4\"",
                "\"\\u١٢٣٤\"",
                "\"\n\"",
                "[1] // one",
                "\u00a0[1]",
                "\ufeff{}",
                "",
                " ",
                "\u0000",
            )
        texts.forEach(::refuse)
    }

    @Test
    fun aFieldThatStandsTwiceIsRefused() {
        assertTrue(refuse("""{"size": 1, "size": 2}""").contains("`size` stands twice"))
    }

    @Test
    fun depthIsLimited() {
        assertTrue(refuse("[".repeat(100_000)).contains("nested deeper"))
        assertTrue(refuse("{\"a\":".repeat(100_000)).contains("nested deeper"))
    }

    @Test
    fun lengthIsLimited() {
        assertTrue(refuse("[" + "1,".repeat(1 shl 19) + "1]").contains("at most"))
    }

    @Test
    fun aTextThatWasCutOffIsRefusedWhereverThatWas() {
        val text = Shared.read("contracts.json")["valid"][0]["contract"].write()
        for (length in 0 until text.length) refuse(text.substring(0, length))
        Json.parse(text)
    }

    @Test
    fun damagedTextsAreReadOrRefusedAndNothingElse() {
        val text = Shared.read("contracts.json")["valid"][0]["contract"].write()
        val random = Random(3)
        var refused = 0
        repeat(3000) {
            val damaged = StringBuilder(text)
            repeat(1 + random.nextInt(3)) {
                damaged.setCharAt(random.nextInt(text.length), random.nextInt(32, 127).toChar())
            }
            try {
                Contract.parse(damaged.toString())
            } catch (_: ContractException) {
                refused++
            }
        }
        assertTrue("$refused of 3000 refused", refused in 2000..2999)
    }
}
