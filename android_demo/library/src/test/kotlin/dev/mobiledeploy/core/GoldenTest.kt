package dev.mobiledeploy.core

import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.util.zip.ZipEntry
import java.util.zip.ZipInputStream
import java.util.zip.ZipOutputStream
import kotlin.random.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class GoldenTest {
    private val case = Fakes.case("all equal")

    private fun read(bytes: ByteArray): Golden = Golden.read(ByteBuffer.wrap(bytes), case.contract)

    private fun refuse(bytes: ByteArray): String =
        assertThrows(GoldenException::class.java) { read(bytes) }.message

    private fun entries(): Map<String, ByteArray> {
        val found = LinkedHashMap<String, ByteArray>()
        ZipInputStream(case.npz.inputStream()).use { zip ->
            generateSequence { zip.nextEntry }.forEach { found[it.name] = zip.readBytes() }
        }
        return found
    }

    /** Stored entries, as NumPy writes them. */
    private fun zip(
        entries: Map<String, ByteArray>,
        method: Int = ZipEntry.STORED,
        comment: String? = null,
    ): ByteArray {
        val out = ByteArrayOutputStream()
        ZipOutputStream(out).use { zip ->
            zip.setComment(comment)
            for ((name, data) in entries) {
                val entry = ZipEntry(name)
                entry.method = method
                entry.size = data.size.toLong()
                entry.crc = java.util.zip.CRC32().apply { update(data) }.value
                zip.putNextEntry(entry)
                zip.write(data)
            }
        }
        return out.toByteArray()
    }

    private fun header(type: String, shape: String, order: String = "False"): ByteArray {
        val text =
            "{'descr': '$type', 'fortran_order': $order, 'shape': ($shape), }".padEnd(117) + "\n"
        return byteArrayOf(0x93.toByte()) +
            "NUMPY\u0001\u0000".toByteArray() +
            byteArrayOf(text.length.toByte(), 0) +
            text.toByteArray()
    }

    @Test
    fun whatNumpyWroteIsRead() {
        val golden = read(case.npz)
        assertEquals(listOf("bär/1.png", "cat/2.png", "dog/3.png"), golden.names)
        assertEquals(listOf(-20.0, 100.0, 3.0, -128.0), golden.logits[0].toList())
        assertEquals(listOf(-128.0, -128.0, -1.0, 1.0), golden.scores[2].toList())
        assertEquals(768, golden.images[1].size)
    }

    @Test
    fun aBufferMayStartAnywhere() {
        val shifted = ByteBuffer.wrap(ByteArray(5) + case.npz + ByteArray(3), 5, case.npz.size)
        assertEquals(3, Golden.read(shifted, case.contract).names.size)
        assertEquals(5, shifted.position())
    }

    @Test
    fun anotherZipperGivesTheSame() {
        assertEquals(read(case.npz).names, read(zip(entries())).names)
    }

    @Test
    fun aFileThatWasCutOffIsRefusedWhereverThatWas() {
        for (length in 0 until case.npz.size) refuse(case.npz.copyOf(length))
    }

    @Test
    fun everyFlippedByteOfTheDataIsFound() {
        val random = Random(5)
        var refused = 0
        repeat(2000) {
            val damaged = case.npz.copyOf()
            val at = random.nextInt(damaged.size)
            damaged[at] = (damaged[at].toInt() xor (1 + random.nextInt(255))).toByte()
            try {
                val golden = read(damaged)
                // Bytes that carry nothing, such as dates: what is read is the same.
                assertEquals(listOf(-20.0, 100.0, 3.0, -128.0), golden.logits[0].toList())
            } catch (_: GoldenException) {
                refused++
            }
        }
        assertTrue("$refused of 2000 refused", refused > 1500)
    }

    @Test
    fun randomBytesAreRefused() {
        val random = Random(6)
        repeat(200) { refuse(random.nextBytes(random.nextInt(400))) }
    }

    @Test
    fun compressedOrCommentedArchivesAreRefused() {
        assertTrue(refuse(zip(entries(), ZipEntry.DEFLATED)).contains("stored"))
        assertTrue(refuse(zip(entries(), comment = "hello")).contains("zip"))
    }

    @Test
    fun missingAndForeignEntriesAreRefused() {
        for (name in entries().keys) assertTrue(refuse(zip(entries() - name)).contains("missing"))
        assertTrue(refuse(zip(entries() + ("evil.txt" to ByteArray(3)))).contains("evil.txt"))
        assertTrue(refuse(zip(List(100) { "$it.npy" to ByteArray(0) }.toMap())).contains("at most"))
    }

    @Test
    fun headersThatLieAreRefused() {
        fun with(data: ByteArray) = refuse(zip(entries() + ("logits.npy" to data)))
        val body = ByteArray(12)
        assertTrue(with(ByteArray(0)).contains("no array"))
        assertTrue(with(header("|i1", "3, 4").copyOf(60)).contains("no array"))
        assertTrue(with(header("|i1", "3, 4", "True") + body).contains("header"))
        assertTrue(with(header("|O", "3, 4") + body).contains("|O"))
        assertTrue(with(header(">f4", "3") + body).contains(">f4"))
        assertTrue(with(header("|i1", "3, 5") + body).contains("holds 12 bytes"))
        assertTrue(with(header("|i1", "2, 4") + body).contains("holds 12 bytes"))
        assertTrue(
            with(header("|i1", "4294967296, 4294967296, 4294967296") + body)
                .contains("holds 12 bytes")
        )
        assertTrue(with(header("|i1", "99999999999999999999") + body).contains("holds 12 bytes"))
        assertTrue(with(header("|i1", "0, 99999999999999999999") + body).contains("holds 12 bytes"))
        assertTrue(with(header("|i1", "4, 3") + body).contains("expected `logits`"))
        assertTrue(with(header("|u1", "3, 4") + body).contains("expected `logits`"))
        assertTrue(with(header("|i1", "0,")).contains("expected `logits`"))
    }

    @Test
    fun namesThatAreNoTextAreRefused() {
        val points = byteArrayOf(0, 0, 0x11, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0)
        assertTrue(
            refuse(zip(entries() + ("names.npy" to header("<U1", "3,") + points)))
                .contains("no text")
        )
    }

    @Test
    fun anyOtherGridInTheContractIsFound() {
        val contract = case.contract
        val grid = Grid(0.03125, -20)
        for (other in
            listOf(
                contract.copy(logits = grid),
                contract.copy(logits = Grid(0.0625, -21)),
                contract.copy(output = contract.output.copy(grid = grid)),
                contract.copy(input = contract.input.copy(grid = grid)),
            )) {
            val error =
                assertThrows(GoldenException::class.java) {
                    Golden.read(ByteBuffer.wrap(case.npz), other)
                }
            assertTrue(error.message, error.message.contains("another model's"))
        }
        assertTrue(refuse(zip(entries() - "grids.npy")).contains("`grids` is missing"))
    }

    @Test
    fun answersThatDoNotVaryProveNothing() {
        val constant = header("|i1", "3, 4") + ByteArray(12) { 7 }
        assertTrue(refuse(zip(entries() + ("logits.npy" to constant))).contains("prove nothing"))
    }

    @Test
    fun floatAnswersThatAreNoNumbersOrVaryByNoiseAreRefused() {
        val float = Fakes.case("float model")

        fun refuse(values: FloatArray): String {
            val body = ByteBuffer.allocate(48).order(java.nio.ByteOrder.LITTLE_ENDIAN)
            values.forEachIndexed { index, value -> body.putFloat(4 * index, value) }
            val archive =
                zip(
                    entries() +
                        listOf("logits.npy", "scores.npy").associateWith {
                            header("<f4", "3, 4") + body.array()
                        }
                )
            return assertThrows(GoldenException::class.java) {
                    Golden.read(ByteBuffer.wrap(archive), float.contract)
                }
                .message
        }
        assertTrue(
            refuse(FloatArray(12) { if (it == 5) Float.NaN else it.toFloat() }).contains("finite")
        )
        assertTrue(refuse(FloatArray(12) { it % 4 + 1e-4f * it }).contains("prove nothing"))
    }

    @Test
    fun integersForAFloatContractAreRefused() {
        val error =
            assertThrows(GoldenException::class.java) {
                Golden.read(ByteBuffer.wrap(case.npz), Fakes.case("float model").contract)
            }
        assertTrue(error.message, error.message.contains("<f4"))
    }
}
