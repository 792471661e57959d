package dev.mobiledeploy.demo

import android.Manifest
import android.app.Activity
import android.app.ActivityManager
import android.content.ComponentName
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.TextView
import java.io.File
import java.io.InputStream
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

/** A user before the app: does what a finger can do, and reads what the screen says. */
internal class Phone(
    screen: Class<out MainActivity> = MainActivity::class.java,
    saved: Bundle? = null,
    intent: Intent? = null,
) : AutoCloseable {
    private val controller: ActivityController<out MainActivity>

    init {
        val application = RuntimeEnvironment.getApplication()
        shadowOf(application.packageManager)
            .addActivityIfNotPresent(ComponentName(application, screen))
        free(2_000_000_000)
        shadowOf(application).grantPermissions(Manifest.permission.CAMERA)
        controller = Robolectric.buildActivity(screen, intent)
        (if (saved == null) controller.setup() else controller.setup(saved)).visible()
    }

    /** Says how many bytes of memory the phone has left. */
    fun free(bytes: Long) {
        val manager =
            RuntimeEnvironment.getApplication().getSystemService(ActivityManager::class.java)
        shadowOf(manager).setMemoryInfo(ActivityManager.MemoryInfo().apply { availMem = bytes })
    }

    val activity: MainActivity
        get() = controller.get()

    /** Refuses what the app asks for, and what it asks from now on. */
    fun refuseCamera() =
        shadowOf(RuntimeEnvironment.getApplication()).denyPermissions(Manifest.permission.CAMERA)

    /** Sends the open app an intent of another app. */
    fun send(intent: Intent) {
        controller.newIntent(intent)
    }

    /** Leaves the app for another one, and comes back. */
    fun pause() {
        controller.pause()
    }

    fun resume() {
        controller.resume()
    }

    /** Chooses a photo, and waits for what the app says of it. */
    fun choose(file: File) {
        settle()
        pick(file)
        settle()
    }

    /** Chooses photos one after the other without waiting. */
    fun chooseInAHurry(vararg files: File) {
        files.forEach(::pick)
        settle()
    }

    /** Chooses a photo, and turns the phone while the app works. */
    fun chooseAndTurn(file: File, qualifiers: String) {
        pick(file)
        configure(qualifiers)
    }

    private fun pick(file: File) = pick("content://photos/${file.name}") { file.inputStream() }

    /** Chooses what [stream] gives, without waiting. */
    fun pick(address: String, stream: () -> InputStream) {
        press(R.id.choose)
        val request = shadowOf(activity).nextStartedActivityForResult.intent
        val uri = Uri.parse(address)
        shadowOf(activity.contentResolver).registerInputStreamSupplier(uri) { stream() }
        answer(request, Intent().setData(uri))
    }

    /** Lets another app answer; null is what a cancelled request gets. */
    fun answer(request: Intent, data: Intent?) {
        val code = if (data == null) Activity.RESULT_CANCELED else Activity.RESULT_OK
        shadowOf(activity).receiveResult(request, code, data)
    }

    fun press(id: Int) {
        val button = find<View>(id)
        assertTrue(
            "${(button as? Button)?.text} cannot be pressed: ${said()}",
            button.isEnabled && button.isShown,
        )
        button.performClick()
    }

    /** Presses the segment of a group that says [text]. */
    fun press(group: Int, text: String) =
        segments(group)
            .first { it.text.toString() == text }
            .run {
                performClick()
                settle()
            }

    fun chosen(group: Int): String = segments(group).single { it.isChecked }.text.toString()

    fun segments(group: Int): List<RadioButton> =
        find<RadioGroup>(group).children().map { it as RadioButton }

    /** Turns the phone, or changes another part of its configuration. */
    fun configure(qualifiers: String) {
        RuntimeEnvironment.setQualifiers(qualifiers)
        controller.configurationChange(RuntimeEnvironment.getApplication().resources.configuration)
        controller.visible()
        settle()
    }

    /** Ends the screen as Android does when memory is short; returns what it kept. */
    fun end(): Bundle {
        val saved = Bundle()
        controller.pause().saveInstanceState(saved).stop().destroy()
        return saved
    }

    override fun close() {
        controller.close()
    }

    /** Waits for the worker. */
    fun settle() =
        await("the app to be done") {
            text(R.id.status) != string(R.string.working) &&
                text(R.id.status) != string(R.string.fetching) &&
                !(find<View>(R.id.model).isShown &&
                    text(R.id.model) == string(R.string.loading_model)) &&
                text(R.id.compare) != string(R.string.comparing) &&
                !find<View>(R.id.cancel_self_test).isShown
        }

    fun await(what: String, condition: () -> Boolean) {
        val end = System.nanoTime() + 120_000_000_000
        while (true) {
            shadowOf(Looper.getMainLooper()).idle()
            if (condition()) return
            if (System.nanoTime() > end)
                fail("waited for $what in vain; the screen says: ${said()}")
            Thread.sleep(2)
        }
    }

    /** What the result says, the winner first: `cat 97.3%`. */
    fun answers(): List<String> {
        if (!find<View>(R.id.winner_score).isShown) return emptyList()
        val winner = "${text(R.id.status)} ${text(R.id.winner_score)}"
        return listOf(winner) + rows().map { "${it.text(R.id.label)} ${it.text(R.id.score)}" }
    }

    /** How long the bars are, 0..1, the winner's first. */
    fun bars(): List<Double> =
        (listOf(find<ProgressBar>(R.id.winner_bar)) +
                rows().map { it.findViewById<ProgressBar>(R.id.bar) })
            .map { it.progress.toDouble() / it.max }

    /** The answers behind the first. */
    fun rows(): List<View> = find<ViewGroup>(R.id.rows).children()

    /** The problem on the screen, title and hint, or null. */
    fun problem(): Pair<String, String>? {
        if (!find<View>(R.id.problem).isShown) return null
        return text(R.id.problem_title) to text(R.id.problem_hint)
    }

    /** The photo on the screen, or null. */
    fun photo(): ImageView? = find<ImageView>(R.id.photo).takeIf { it.isShown }

    fun text(id: Int): String = activity.window.decorView.text(id)

    fun string(id: Int, vararg arguments: Any): String = activity.getString(id, *arguments)

    fun <T : View> find(id: Int): T = activity.findViewById(id)

    /** All texts that are shown, from the top. */
    fun said(): List<String> =
        activity.window.decorView
            .descendants()
            .filterIsInstance<TextView>()
            .filter { it.isShown }
            .map { it.text.toString() }
}

internal fun View.text(id: Int): String = findViewById<TextView>(id).text.toString()

internal fun ViewGroup.children(): List<View> = List(childCount, ::getChildAt)

internal fun View.descendants(): List<View> =
    listOf(this) + ((this as? ViewGroup)?.children()?.flatMap { it.descendants() } ?: emptyList())
