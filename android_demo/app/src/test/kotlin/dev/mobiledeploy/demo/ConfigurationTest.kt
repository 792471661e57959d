package dev.mobiledeploy.demo

import android.content.res.Configuration
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.Button
import android.widget.TextView
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNotSame
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** Turned, darkened, enlarged, ended and read aloud: nothing is lost. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(qualifiers = "w360dp-h740dp-port-notnight-xhdpi")
class ConfigurationTest {
    @Test
    fun turningKeepsPhotoAnswerChoiceAndVerdict() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.press(R.id.engines, "ONNX Runtime")
            it.press(R.id.threads, "2")
            it.press(R.id.run_self_test)
            it.settle()
            val before = it.said()
            val screen = it.activity
            it.configure("w740dp-h360dp-land")
            assertNotSame(screen, it.activity)
            assertEquals(
                Configuration.ORIENTATION_LANDSCAPE,
                it.activity.resources.configuration.orientation,
            )
            // The latency too: nothing was computed again.
            assertEquals(before.toSet(), it.said().toSet())
            assertNotNull(it.photo())
            assertEquals("ONNX Runtime", it.chosen(R.id.engines))
            assertEquals("2", it.chosen(R.id.threads))
        }

    @Test
    fun turningInTheMidstOfWorkLosesNothing() =
        Phone().use {
            it.choose(TestFiles.upright)
            val wanted = it.answers()
            it.choose(TestFiles.turned)
            it.chooseAndTurn(TestFiles.upright, "w740dp-h360dp-land")
            assertEquals(wanted, it.answers())
        }

    @Test
    fun anEndedProcessComesBackAsItWas() {
        val before = Phone()
        before.choose(TestFiles.upright)
        before.press(R.id.engines, "ONNX Runtime")
        val answers = before.answers()
        val saved = before.end()
        Phone(saved = saved).use {
            it.settle()
            assertEquals("ONNX Runtime", it.chosen(R.id.engines))
            assertEquals(answers, it.answers())
            assertNotNull(it.photo())
        }
    }

    @Test
    fun aChoiceThatNoLongerExistsIsForgotten() {
        val saved =
            Bundle().apply {
                putInt("engine", 7)
                putInt("threads", 3)
            }
        Phone(saved = saved).use {
            it.settle()
            assertEquals("LiteRT", it.chosen(R.id.engines))
            assertEquals("1", it.chosen(R.id.threads))
        }
    }

    @Test @Config(fontScale = 2f) fun withLargeTextNothingIsCutOff() = nothingIsCutOff()

    @Test
    @Config(qualifiers = "w740dp-h360dp-land-notnight-xhdpi", fontScale = 2f)
    fun withLargeTextInLandscapeNothingIsCutOff() = nothingIsCutOff()

    @Test
    @Config(qualifiers = "de-w320dp-h568dp-port-notnight-xhdpi", fontScale = 1.3f)
    fun inGermanOnASmallPhoneNothingIsCutOff() = nothingIsCutOff()

    @Test
    @Config(qualifiers = "w320dp-h568dp-port-notnight-xhdpi")
    fun inALongLanguageOnASmallPhoneNothingIsCutOff() = nothingIsCutOff(Phone::lengthen)

    private fun nothingIsCutOff(change: Phone.() -> Unit = {}) =
        Phone().use {
            it.choose(TestFiles.upright)
            it.press(R.id.run_self_test)
            it.settle()
            it.press(R.id.compare)
            it.settle()
            it.change()
            it.picture()
            for (view in it.activity.window.decorView.descendants().filterIsInstance<TextView>()) {
                if (!view.isShown || view.layout == null) continue
                val text = view.text.toString()
                val room = view.height - view.compoundPaddingTop - view.compoundPaddingBottom
                assertTrue("`$text` is cut off", view.layout.height <= room)
                for (line in 0 until view.lineCount) {
                    assertEquals("`$text` is shortened", 0, view.layout.getEllipsisCount(line))
                    val end = view.layout.getLineEnd(line)
                    if (view.id == R.id.model) continue // A model's name is no word.
                    // A word that does not fit into its line is broken inside.
                    val between = end == text.length || text[end - 1] in " \n/-"
                    assertTrue("`$text` is broken inside a word at $end", between)
                }
            }
        }

    @Test
    @Config(qualifiers = "ar-w360dp-h740dp-port-notnight-xhdpi")
    fun fromRightToLeftTheScreenIsMirrored() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.viewport()
            assertEquals(
                View.LAYOUT_DIRECTION_RTL,
                it.activity.resources.configuration.layoutDirection,
            )
            assertTrue(
                it.find<View>(R.id.live).leftOnScreen() > it.find<View>(R.id.take).leftOnScreen()
            )
            assertTrue(
                it.find<View>(R.id.status).leftOnScreen() >
                    it.find<View>(R.id.winner_score).leftOnScreen()
            )
        }

    @Test
    fun theSelfTestIsFoundFromTheTop() =
        Phone().use {
            it.settle()
            it.viewport()
            val button = it.find<View>(R.id.run_self_test)
            it.press(R.id.find_self_test)
            it.await("the self-test to come into view") {
                val seen = android.graphics.Rect()
                button.getGlobalVisibleRect(seen) && seen.height() == button.height
            }
        }

    @Test
    fun everythingThatCanBePressedIsLargeEnough() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.press(R.id.run_self_test)
            it.settle()
            it.picture()
            val least = it.activity.resources.displayMetrics.density * 48
            val pressed =
                it.activity.window.decorView.descendants().filter { view ->
                    view.isClickable && view.isShown
                }
            assertTrue("${pressed.size} buttons", pressed.size >= 9)
            for (view in pressed) assertTrue(
                "${(view as? Button)?.text}: ${view.width} x ${view.height}",
                minOf(view.width, view.height) >= least,
            )
        }

    @Test
    fun everythingIsReadAloudInTheOrderOfTheScreen() =
        Phone().use {
            it.choose(TestFiles.upright)
            val root = it.activity.window.decorView
            for (view in
                root.descendants().filter { view ->
                    view.isShown && view is android.widget.ImageView
                }) {
                val named = !view.contentDescription.isNullOrBlank()
                assertTrue(
                    "$view has neither a description nor is it decoration",
                    named || !view.isImportantForAccessibility,
                )
            }
            val first = it.rows().first()
            assertEquals(
                "${first.text(R.id.label)}, ${first.text(R.id.score)}",
                first.contentDescription,
            )
            assertTrue(
                (first as ViewGroup).descendants().drop(1).none { view ->
                    view.isImportantForAccessibility && view is TextView
                }
            )
            assertEquals(
                View.ACCESSIBILITY_LIVE_REGION_POLITE,
                it.find<View>(R.id.status).accessibilityLiveRegion,
            )
            assertEquals(
                "${it.text(R.id.status)}, ${it.text(R.id.winner_score)}",
                it.find<View>(R.id.status).contentDescription,
            )
            val headings =
                root.descendants().filter { view -> view.isShown && view.isAccessibilityHeading }
            assertEquals(
                listOf(
                    "Model Check",
                    it.text(R.id.status),
                    "Self-test",
                    "Engine",
                    "Threads",
                    "Answers shown",
                    "Lowest score shown",
                ),
                headings.map { view -> (view as TextView).text.toString() },
            )
            val tops = headings.map { view -> view.locationOnScreen() }
            assertEquals(tops.sorted(), tops)
            assertEquals(
                listOf("1 thread", "2 threads", "4 threads"),
                it.segments(R.id.threads).map { view -> view.contentDescription },
            )
        }

    @Test
    fun contentStaysClearOfTheBars() =
        Phone().use {
            val bars = android.graphics.Insets.of(10, 48, 0, 96)
            val cutOut = android.graphics.Insets.of(60, 0, 0, 0)
            val insets =
                WindowInsets.Builder()
                    .setInsets(WindowInsets.Type.systemBars(), bars)
                    .setInsets(WindowInsets.Type.displayCutout(), cutOut)
                    .build()
            val root = it.find<View>(R.id.root)
            root.dispatchApplyWindowInsets(insets)
            assertEquals(
                listOf(60, 48, 0, 96),
                listOf(root.paddingLeft, root.paddingTop, root.paddingRight, root.paddingBottom),
            )
        }

    @Test
    fun aClosedScreenIsForgotten() {
        val phone = Phone()
        phone.choose(TestFiles.upright)
        val session = phone.activity.onRetainNonConfigurationInstance() as Session
        phone.end()
        assertNull(session.shown())
    }
}

private fun View.leftOnScreen(): Int = IntArray(2).also(::getLocationInWindow)[0]

private fun View.locationOnScreen(): Int = IntArray(2).also(::getLocationInWindow)[1]

/** The screen that a session would tell of a change. */
private fun Session.shown(): Any? =
    Session::class.java.getDeclaredField("screen").run {
        isAccessible = true
        get(this@shown)
    }
