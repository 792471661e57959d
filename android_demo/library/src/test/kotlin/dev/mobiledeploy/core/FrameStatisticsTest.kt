package dev.mobiledeploy.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class FrameStatisticsTest {
    private fun millis(value: Int): Long = value * 1_000_000L

    @Test
    fun ratesAndPercentilesAreThoseOfTheFrames() {
        val statistics = FrameStatistics(window = 100)
        var rate: FrameRate? = null
        // Ten frames, one each 40 ms, that took 1 ... 10 ms.
        for (number in 1..10) {
            val done = millis(40 * number)
            rate = statistics.add(done - millis(number), done)
        }
        assertEquals(FrameRate(25.0, 5.0, 9.0, 10), rate)
    }

    @Test
    fun ofFourFramesNineOfTenAreAllFour() {
        val statistics = FrameStatistics()
        var rate: FrameRate? = null
        for (number in 1..4) rate = statistics.add(millis(10 * number - number), millis(10 * number))
        assertEquals(FrameRate(100.0, 2.0, 4.0, 4), rate)
    }

    @Test
    fun aSingleFrameHasNoRate() {
        assertEquals(FrameRate(0.0, 7.0, 7.0, 1), FrameStatistics().add(millis(3), millis(10)))
    }

    @Test
    fun oldFramesAreForgotten() {
        val statistics = FrameStatistics(window = 4)
        for (number in 0 until 10) statistics.add(millis(1000 * number), millis(1000 * number + 500))
        var rate: FrameRate? = null
        for (number in 0 until 4) {
            val done = millis(20_000 + 10 * number)
            rate = statistics.add(done - millis(2), done)
        }
        assertEquals(FrameRate(100.0, 2.0, 2.0, 14), rate)
        statistics.clear()
        assertEquals(1, statistics.add(0, 5).frames)
    }

    @Test
    fun aClockThatStandsGivesNoRate() {
        val statistics = FrameStatistics()
        statistics.add(0, 5)
        assertEquals(0.0, statistics.add(0, 5).perSecond, 0.0)
        assertThrows(IllegalArgumentException::class.java) { FrameStatistics(1) }
    }
}
