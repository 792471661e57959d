package dev.mobiledeploy.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.View
import java.io.File
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Draws the screens for tests/android/test_app.py, which holds them against tests/golden/screens. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(qualifiers = "w360dp-h740dp-port-notnight-xhdpi")
class ScreensTest {
    @Test
    fun start() = Phone().use { draw(it, "start") }

    @Test
    fun result() = Phone().use { classified(it, "result") }

    @Test
    @Config(qualifiers = "+night")
    fun dark() = Phone().use { classified(it, "dark") }

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi")
    fun landscape() = Phone().use { classified(it, "landscape") }

    @Test
    @Config(fontScale = 2f)
    fun largeText() = Phone().use { classified(it, "large-text") }

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

    @Test
    fun noModel() = Phone(BrokenBundles.NoModel::class.java).use { draw(it, "no-model") }

    @Test
    @Config(qualifiers = "+night", fontScale = 2f)
    fun unreadable() =
        Phone().use {
            it.choose(File(TestFiles.broken, "truncated.jpg"))
            draw(it, "unreadable")
        }

    private fun classified(
        phone: Phone,
        name: String,
    ) {
        phone.choose(TestFiles.upright)
        draw(phone, name)
    }

    /** Draws the whole content, scrolled parts too, with the times and versions that vary blotted out. */
    private fun draw(
        phone: Phone,
        name: String,
    ) {
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
    val height = View.MeasureSpec.makeMeasureSpec(maxOf(view.height, natural), View.MeasureSpec.EXACTLY)
    view.measure(width, height)
    view.layout(0, 0, view.measuredWidth, view.measuredHeight)
    val picture = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
    view.draw(Canvas(picture))
    return picture
}

private fun View.measuredContent(): Int = (this as? android.view.ViewGroup)?.getChildAt(0)?.measuredHeight ?: 0

/** Replaces what differs from run to run. */
private fun Phone.fix() {
    val latency = find<android.widget.TextView>(R.id.latency)
    latency.text = latency.text.replace(Regex("""\d+[.]\d"""), "1.2")
    for (row in find<android.view.ViewGroup>(R.id.verdict_rows).children()) {
        val detail = row.findViewById<android.widget.TextView>(R.id.verdict_detail)
        detail.text = detail.text.replace(Regex("""\d+[.]\d ms"""), "1.2 ms")
    }
}
