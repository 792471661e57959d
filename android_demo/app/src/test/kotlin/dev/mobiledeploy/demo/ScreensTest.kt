package dev.mobiledeploy.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import java.io.File
import kotlin.math.roundToInt
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/**
 * Draws the screens for tests/android/test_app.py, which holds them against tests/golden/screens.
 */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(qualifiers = "w360dp-h740dp-port-notnight-xhdpi")
class ScreensTest {
    @Test fun start() = Phone().use { draw(it, "start") }

    @Test fun result() = Phone().use { classified(it, "result") }

    @Test @Config(qualifiers = "+night") fun dark() = Phone().use { classified(it, "dark") }

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi")
    fun landscape() = Phone().use { classified(it, "landscape") }

    @Test @Config(fontScale = 2f) fun largeText() = Phone().use { classified(it, "large-text") }

    @Test
    @Config(qualifiers = "w800dp-h1100dp-port-notnight-xhdpi")
    fun tablet() = Phone().use { classified(it, "tablet") }

    @Test
    fun selfTest() =
        Phone().use {
            it.settle()
            it.press(R.id.run_self_test)
            it.settle()
            draw(it, "self-test")
        }

    @Test fun noModel() = Phone(BrokenBundles.NoModel::class.java).use { draw(it, "no-model") }

    @Test
    @Config(qualifiers = "+night", fontScale = 2f)
    fun unreadable() =
        Phone().use {
            it.choose(File(TestFiles.broken, "truncated.jpg"))
            draw(it, "unreadable")
        }

    private fun classified(phone: Phone, name: String) {
        phone.choose(TestFiles.upright)
        draw(phone, name)
    }

    /** Draws the whole content, scrolled parts too, with fixed answers and times. */
    private fun draw(phone: Phone, name: String) {
        phone.settle()
        phone.fix()
        val picture = phone.picture()
        val file = File(TestFiles.property("screens"), "$name.png")
        file.outputStream().use { assertTrue(picture.compress(Bitmap.CompressFormat.PNG, 100, it)) }
    }
}

/** Draws the screen as tall as its content is. */
internal fun Phone.picture(): Bitmap {
    val view = activity.window.decorView
    val width = View.MeasureSpec.makeMeasureSpec(view.width, View.MeasureSpec.EXACTLY)
    val natural = view.descendants().filter { it.isScrollContainer }.maxOf { it.measuredContent() }
    val height =
        View.MeasureSpec.makeMeasureSpec(maxOf(view.height, natural), View.MeasureSpec.EXACTLY)
    view.measure(width, height)
    view.layout(0, 0, view.measuredWidth, view.measuredHeight)
    val picture = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
    view.draw(Canvas(picture))
    return picture
}

private fun View.measuredContent(): Int = (this as? ViewGroup)?.getChildAt(0)?.measuredHeight ?: 0

/** Replaces what differs from run to run and from build to build: other tests read it. */
private fun Phone.fix() {
    for ((row, score) in rows().zip(listOf(0.949, 0.031, 0.012, 0.004, 0.004))) {
        row.findViewById<TextView>(R.id.score).text = "%.1f%%".format(100 * score)
        row.findViewById<ProgressBar>(R.id.bar).run { progress = (score * max).roundToInt() }
    }
    rows().zip("38592".toList()).forEach { (row, digit) ->
        row.findViewById<TextView>(R.id.label).text = "$digit"
    }
    if (rows().isNotEmpty()) find<TextView>(R.id.status).text = "3"
    find<TextView>(R.id.latency).run { text = text.replace(TIME, "1.2") }
    for (row in find<ViewGroup>(R.id.verdict_rows).children()) {
        row.findViewById<TextView>(R.id.verdict_detail).run {
            text = text.replace(TIME, "1.2").replace(Regex("scores [^,]+"), "scores exact")
        }
    }
}

private val TIME = Regex("""\d+[.]\d""")
