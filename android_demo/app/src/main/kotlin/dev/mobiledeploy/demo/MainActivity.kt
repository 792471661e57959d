package dev.mobiledeploy.demo

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import android.view.View
import dev.mobiledeploy.android.AssetFiles
import dev.mobiledeploy.core.EngineFactory

/** The one screen: takes what the user does to the [Session], and shows its state. */
internal open class MainActivity : Activity() {
    private lateinit var session: Session

    /** What this flavour was built with; tests put others in. */
    protected open val engines: List<EngineFactory>
        get() = compiledEngines

    /** Where the model is among the assets; tests have several. */
    protected open val modelFolder: String
        get() = AssetFiles.FOLDER

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.main)
        val root = findViewById<View>(R.id.root)
        keepClearOfBars(root)
        session = resumed() ?: started(saved)
        val screen =
            Screen(root, engines) { change -> session.choose(change(session.state.choice)) }
        screen.choose.setOnClickListener { choosePhoto() }
        screen.take.setOnClickListener { takePhoto() }
        screen.selfTest.run.setOnClickListener { session.selfTest(Device.facts()) }
        screen.selfTest.share.setOnClickListener { share() }
        session.show(screen::show)
    }

    /** The session of the screen before the phone was turned. */
    private fun resumed(): Session? = lastNonConfigurationInstance as Session?

    /** A new session, with the choice and the photo of the last one if Android had ended it. */
    private fun started(saved: Bundle?): Session {
        val context = applicationContext
        val worker =
            Worker(
                AssetFiles(context.assets, modelFolder),
                engines,
                PhotoReader { Device.freeBytes(context) },
            )
        val session =
            Session(worker, PhotoFile(context.cacheDir), context.contentResolver, choice(saved))
        session.load()
        if (saved?.getBoolean(PHOTO) == true) session.restore()
        return session
    }

    /** The saved choice as far as it exists: an update may have come with other engines. */
    private fun choice(saved: Bundle?): Choice {
        val engine = saved?.getInt(ENGINE)?.takeIf { it in engines.indices }
        val threads = saved?.getInt(THREADS)?.takeIf { it in Screen.THREADS }
        return Choice().run {
            copy(engine = engine ?: this.engine, threads = threads ?: this.threads)
        }
    }

    override fun onRetainNonConfigurationInstance(): Any = session

    override fun onSaveInstanceState(out: Bundle) {
        super.onSaveInstanceState(out)
        out.putInt(ENGINE, session.state.choice.engine)
        out.putInt(THREADS, session.state.choice.threads)
        out.putBoolean(PHOTO, session.state.preview != null)
    }

    override fun onDestroy() {
        if (isChangingConfigurations) session.hide() else session.close()
        super.onDestroy()
    }

    override fun onActivityResult(request: Int, code: Int, answer: Intent?) {
        super.onActivityResult(request, code, answer)
        if (code != RESULT_OK) return
        when (request) {
            PhotoSources.CHOOSE ->
                answer?.data?.let(session::choose) ?: session.report(PhotoFile.UNREADABLE)
            PhotoSources.TAKE ->
                PhotoSources.taken(answer)?.let(session::take) ?: session.report(NO_ANSWER)
        }
    }

    private fun choosePhoto() {
        if (PhotoSources.choose().none { started(it, PhotoSources.CHOOSE) })
            session.report(NO_PICKER)
    }

    private fun takePhoto() {
        if (!started(PhotoSources.take(), PhotoSources.TAKE)) session.report(NO_CAMERA)
    }

    private fun started(request: Intent, code: Int): Boolean =
        try {
            startActivityForResult(request, code)
            true
        } catch (_: ActivityNotFoundException) {
            false
        }

    private fun share() {
        val verdict = session.state.verdict ?: return
        val text =
            Intent(Intent.ACTION_SEND)
                .setType("text/plain")
                .putExtra(Intent.EXTRA_SUBJECT, getString(R.string.share_subject))
                .putExtra(Intent.EXTRA_TEXT, verdict.toText())
        // The chooser says itself if no app takes text.
        startActivity(Intent.createChooser(text, getString(R.string.share_verdict)))
    }

    private companion object {
        const val ENGINE = "engine"
        const val THREADS = "threads"
        const val PHOTO = "photo"
        val NO_PICKER = Problem(R.string.no_picker_title, R.string.no_picker_hint)
        val NO_CAMERA = Problem(R.string.no_camera_title, R.string.no_camera_hint)
        val NO_ANSWER = Problem(R.string.unreadable_title, R.string.camera_failed_hint)
    }
}
