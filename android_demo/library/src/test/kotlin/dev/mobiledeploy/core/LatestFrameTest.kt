package dev.mobiledeploy.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNotSame
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class LatestFrameTest {
    private class Slot(var number: Int = 0, var check: Int = 0)

    private var created = 0
    private val frames = LatestFrame { Slot().also { created++ } }

    private fun put(number: Int) = frames.put { it.number = number }

    @Test
    fun theNewestFrameWins() {
        assertNull(frames.take())
        for (number in 1..5) put(number)
        assertEquals(5, frames.take()?.number)
        assertNull("no frame is given twice", frames.take())
        assertEquals(4, frames.dropped)
        put(6)
        assertEquals(6, frames.take()?.number)
        assertEquals(4, frames.dropped)
    }

    @Test
    fun aFrameInUseIsNotOverwritten() {
        put(1)
        val used = frames.take()!!
        for (number in 2..100) {
            put(number)
            assertEquals(1, used.number)
        }
        assertNotSame(used, frames.take())
        assertTrue("$created slots", created <= 3)
    }

    @Test
    fun aFrameThatCannotBeReadIsNone() {
        put(1)
        assertThrows(IllegalStateException::class.java) { frames.put { error("no frame") } }
        assertEquals(1, frames.take()?.number)
        for (number in 2..20) put(number)
        assertTrue("$created slots", created <= 3)
    }

    @Test
    fun whatWaitsCanBeDropped() {
        put(1)
        frames.clear()
        assertNull(frames.take())
        put(2)
        assertEquals(2, frames.take()?.number)
    }

    @Test
    fun betweenTwoThreadsNoFrameIsTornAndNoneGoesBack() {
        val last = 50_000
        val camera = Thread {
            for (number in 1..last) frames.put {
                it.number = number
                it.check = -number
            }
        }
        camera.start()
        var seen = 0
        while (seen < last) {
            val frame = frames.take() ?: continue
            assertEquals(-frame.number, frame.check)
            assertTrue("${frame.number} after $seen", frame.number > seen)
            seen = frame.number
        }
        camera.join()
        assertNotNull(frames)
        assertTrue("$created slots", created <= 3)
    }
}
