package dev.mobiledeploy.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Insets
import android.graphics.Rect
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.ProgressBar
import android.widget.TextView
import java.io.File
import kotlin.math.roundToInt
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/**
 * Draws the screens for tests/android/test_app.py, which holds them against tests/golden/screens.
 *
 * They are drawn as a phone shows them, without scrolling, clear of its bars; those that end in
 * `-whole` are as tall as their content.
 */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(qualifiers = "w360dp-h740dp-port-notnight-xhdpi")
class ScreensTest {
    @Test fun start() = Phone().use { draw(it, "start") }

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi")
    fun startLandscape() = Phone().use { draw(it, "start-landscape") }

    @Test fun result() = Phone().use { classified(it, "result") }

    @Test
    fun whole() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.press(R.id.compare)
            it.settle()
            it.press(R.id.run_self_test)
            it.settle()
            it.fix()
            write(it.picture(), "result-whole")
        }

    @Test @Config(qualifiers = "+night") fun dark() = Phone().use { classified(it, "dark") }

    @Test @Config(qualifiers = "de-w360dp-h740dp-port-notnight-xhdpi") fun german() = Phone().use { classified(it, "german") }

    @Test @Config(qualifiers = "ar-w360dp-h740dp-port-notnight-xhdpi") fun rightToLeft() = Phone().use { classified(it, "right-to-left") }

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi")
    fun landscape() = Phone().use {
        classified(it, "landscape")
        seen(it, R.id.photo, R.id.live, R.id.choose, R.id.take, R.id.status, R.id.winner_score)
    }

    @Test
    @Config(qualifiers = "de-w740dp-h360dp-land-notnight-xhdpi")
    fun germanLandscape() = Phone().use {
        classified(it, "german-landscape")
        seen(it, R.id.photo, R.id.live, R.id.choose, R.id.take, R.id.status, R.id.winner_score)
    }

    @Test
    @Config(qualifiers = "w320dp-h568dp-port-notnight-xhdpi")
    fun small() = Phone().use {
        classified(it, "small")
        seen(it, R.id.photo, R.id.live, R.id.choose, R.id.take, R.id.status, R.id.winner_score)
    }

    @Test
    @Config(qualifiers = "w673dp-h841dp-port-notnight-xhdpi")
    fun fold() = Phone().use { classified(it, "fold") }

    @Test
    @Config(qualifiers = "w800dp-h1280dp-port-notnight-hdpi")
    fun tablet() = Phone().use { classified(it, "tablet") }

    @Test
    @Config(qualifiers = "w1280dp-h800dp-land-notnight-hdpi")
    fun tabletLandscape() = Phone().use { classified(it, "tablet-landscape") }

    @Test @Config(fontScale = 2f) fun largeText() = Phone().use { classified(it, "large-text") }

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi", fontScale = 2f)
    fun largeTextLandscape() = Phone().use { classified(it, "large-text-landscape") }

    @Test
    fun pseudo() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.fix()
            it.lengthen()
            write(it.viewport(), "pseudo")
        }

    @Test
    fun fetching() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.pick("content://cloud/hung") { sleep() }
            it.await("the wait") { it.find<View>(R.id.cancel).isShown }
            write(it.viewport(), "fetching")
        }

    @Test fun noModel() = Phone(BrokenBundles.NoModel::class.java).use { draw(it, "no-model") }

    @Test
    @Config(qualifiers = "+night", fontScale = 2f)
    fun unreadable() =
        Phone().use {
            it.choose(File(TestFiles.broken, "truncated.jpg"))
            draw(it, "unreadable")
        }

    @Test
    fun about() =
        Robolectric.buildActivity(AboutActivity::class.java).setup().visible().use {
            write(viewport(it.get().window.decorView), "about")
        }

    private fun classified(phone: Phone, name: String) {
        phone.choose(TestFiles.upright)
        draw(phone, name)
    }

    /** Draws what can be seen, with fixed answers and times. */
    private fun draw(phone: Phone, name: String) {
        phone.settle()
        phone.fix()
        write(phone.viewport(), name)
    }

    /** All of a view can be seen without scrolling. */
    private fun seen(phone: Phone, vararg ids: Int) {
        for (id in ids) {
            val view = phone.find<View>(id)
            val seen = Rect()
            val name = phone.activity.resources.getResourceEntryName(id)
            assertTrue(name, view.isShown && view.getGlobalVisibleRect(seen))
            assertEquals(name, view.width to view.height, seen.width() to seen.height())
        }
    }

    private fun write(picture: Bitmap, name: String) {
        val file = File(TestFiles.property("screens"), "$name.png")
        file.outputStream().use { assertTrue(picture.compress(Bitmap.CompressFormat.PNG, 100, it)) }
    }
}

/** Draws the screen as the phone shows it. */
internal fun Phone.viewport(): Bitmap = viewport(activity.window.decorView)

/** Lays a window out between a phone's bars, of 24 dp each, and draws it. */
private fun viewport(window: View): Bitmap {
    val bar = (24 * window.resources.displayMetrics.density).roundToInt()
    val insets =
        WindowInsets.Builder()
            .setInsets(WindowInsets.Type.systemBars(), Insets.of(0, bar, 0, bar))
            .build()
    window.findViewById<View>(R.id.root).dispatchApplyWindowInsets(insets)
    val width = View.MeasureSpec.makeMeasureSpec(window.width, View.MeasureSpec.EXACTLY)
    val height = View.MeasureSpec.makeMeasureSpec(window.height, View.MeasureSpec.EXACTLY)
    window.measure(width, height)
    window.layout(0, 0, window.measuredWidth, window.measuredHeight)
    val picture = Bitmap.createBitmap(window.width, window.height, Bitmap.Config.ARGB_8888)
    window.draw(Canvas(picture))
    return picture
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

/**
 * Makes every text 40 % longer and full of accents, as Android's pseudo-locale does: longer
 * languages than those that the app has must find room.
 */
internal fun Phone.lengthen() {
    val accents = "aeiouAEIOUnc".zip("áéíöúÁÉÍÖÚñç").toMap()
    for (view in activity.window.decorView.descendants().filterIsInstance<TextView>()) {
        val text = view.text.toString()
        if (text.none(Char::isLetter)) continue
        val more = listOf("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
        var longer = text
        for (word in more) if (longer.length < 1.4 * text.length) longer += " $word"
        view.text = "[" + longer.map { accents[it] ?: it }.joinToString("") + "]"
    }
}

/** Replaces what differs from run to run and from build to build: other tests read it. */
private fun Phone.fix() {
    val scores = listOf(0.949, 0.031, 0.012, 0.004, 0.004)
    if (find<View>(R.id.winner_score).isShown) {
        find<TextView>(R.id.status).text = "3"
        find<TextView>(R.id.winner_score).text = shown(scores[0])
        find<ProgressBar>(R.id.winner_bar).run { progress = (scores[0] * max).roundToInt() }
    }
    for ((row, score) in rows().zip(scores.drop(1))) {
        row.findViewById<TextView>(R.id.score).text = shown(score)
        row.findViewById<ProgressBar>(R.id.bar).run { progress = (score * max).roundToInt() }
    }
    rows().zip("8592".toList()).forEach { (row, digit) ->
        row.findViewById<TextView>(R.id.label).text = "$digit"
    }
    find<TextView>(R.id.latency).run { text = text.replace(TIME, "1.2") }
    for (row in find<ViewGroup>(R.id.comparison).children()) {
        row.findViewById<TextView>(R.id.compared_answer).text = "3 94.9% · 1.2 ms"
    }
    for (row in find<ViewGroup>(R.id.verdict_rows).children()) {
        row.findViewById<TextView>(R.id.verdict_detail).run {
            text = text.replace(TIME, "1.2").replace(Regex("scores [^,]+"), "scores exact")
        }
    }
}

private fun shown(score: Double): String = "%.1f%%".format(100 * score)

private val TIME = Regex("""\d+[.,٫]\d""")
