package dev.mobiledeploy.demo

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.ClipboardManager
import android.content.Intent
import android.content.pm.PackageManager
import android.hardware.camera2.CameraManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.view.SurfaceHolder
import android.view.View
import android.widget.Toast
import dev.mobiledeploy.android.AssetFiles
import dev.mobiledeploy.core.EngineFactory

/** The one screen: takes what the user does to the [Session], and shows its state. */
internal open class MainActivity : Activity() {
    private lateinit var session: Session
    private lateinit var screen: Screen
    private lateinit var camera: Viewfinder

    /** Whether the screen can be seen, and its surface drawn on: the camera runs only then. */
    private var seen = false
    private var drawable = false
    private var filming = false

    /** What this flavour was built with; tests put others in. */
    protected open val engines: List<EngineFactory>
        get() = compiledEngines

    /** Where the model is among the assets; tests have several. */
    protected open val modelFolder: String
        get() = AssetFiles.FOLDER

    /** How long another app may take to give a photo; tests have less time. */
    protected open val patience: Patience
        get() = Patience()

    /** Makes the camera; tests have another. */
    protected open fun viewfinder(
        frame: (write: (CameraFrame) -> Unit) -> Unit,
        failed: (CameraFailure) -> Unit,
    ): Viewfinder =
        LiveCamera(
            getSystemService(CameraManager::class.java),
            Handler(Looper.getMainLooper()),
            frame,
            failed,
        )

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.main)
        val root = findViewById<View>(R.id.root)
        keepClearOfBars(root)
        val resumed = resumed()
        session = resumed ?: started(saved)
        camera = viewfinder(session::frame, session::cameraFailed)
        screen =
            Screen(
                root,
                engines,
                sampled = { session.choose(SamplePhoto(applicationContext.resources, it)) },
                shown = { change -> session.display(change(session.state.display)) },
                chosen = { change -> session.choose(change(session.state.choice)) },
            )
        screen.live.setOnClickListener { filmOrHold() }
        screen.choose.setOnClickListener { choosePhoto() }
        screen.take.setOnClickListener { withCamera(TAKE_PERMISSION) { takePhoto() } }
        screen.cancel.setOnClickListener { session.cancelFetch() }
        screen.result.copy.setOnClickListener { copyResult() }
        screen.result.share.setOnClickListener { shareResult() }
        screen.result.compare.setOnClickListener { session.compare(Screen.THREADS) }
        screen.selfTest.run.setOnClickListener { session.selfTest(Device.facts()) }
        screen.selfTest.cancel.setOnClickListener { session.cancelSelfTest() }
        screen.selfTest.share.setOnClickListener { shareVerdict() }
        screen.about.setOnClickListener { startActivity(Intent(this, AboutActivity::class.java)) }
        screen.camera.holder.addCallback(surface)
        session.show { state ->
            screen.show(state)
            film()
        }
        if (resumed == null && saved == null) take(intent)
    }

    /** Another app shares a photo while this one is open. */
    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        take(intent)
    }

    override fun onResume() {
        super.onResume()
        seen = true
        film()
    }

    override fun onPause() {
        seen = false
        film()
        super.onPause()
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
        val session = Session(worker, PhotoFile(context.cacheDir), choice(saved), patience)
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
        camera.stop()
        if (isChangingConfigurations) session.hide() else session.close()
        super.onDestroy()
    }

    override fun onActivityResult(request: Int, code: Int, answer: Intent?) {
        super.onActivityResult(request, code, answer)
        if (request == PhotoSources.TAKE) TakenPhotoProvider.revoke(applicationContext)
        if (code != RESULT_OK) return
        when (request) {
            PhotoSources.CHOOSE -> answer?.data?.let(::fetch) ?: session.report(NOT_SHARED)
            PhotoSources.TAKE -> {
                val file = TakenPhotoProvider.file(applicationContext)
                if (file.length() > 0) session.take(file) else session.report(NO_ANSWER)
            }
        }
    }

    override fun onRequestPermissionsResult(
        request: Int,
        permissions: Array<out String>,
        results: IntArray,
    ) {
        if (results.isEmpty()) return // The question was interrupted, and not answered.
        if (results.all { it == PackageManager.PERMISSION_GRANTED }) {
            if (request == LIVE_PERMISSION) session.startLive() else takePhoto()
        } else {
            // Android asks twice at most.
            val again = shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)
            session.cameraFailed(
                if (again) CameraFailure.REFUSED else CameraFailure.REFUSED_FOR_GOOD
            )
        }
    }

    private fun take(intent: Intent) {
        if (intent.action != Intent.ACTION_SEND) return
        sharedPhoto(applicationContext, intent)?.let(::fetch) ?: session.report(NOT_SHARED)
    }

    private fun fetch(uri: Uri) =
        session.choose(ProviderPhoto(applicationContext.contentResolver, uri))

    private fun filmOrHold() {
        if (session.state.live != null) session.holdFrame()
        else withCamera(LIVE_PERMISSION) { session.startLive() }
    }

    /** Starts or stops the camera as the state and the screen want it. */
    private fun film() {
        val wanted = session.state.live != null && seen && drawable
        if (wanted == filming) return
        filming = wanted
        if (!wanted) return camera.stop()
        val seen = session.state.contract?.preprocessing
        camera.start(
            maxOf(seen?.width ?: 0, seen?.height ?: 0, SMALLEST),
            preview = screen::preview,
            display = { QUARTER * (screen.camera.display?.rotation ?: 0) },
        )
    }

    private val surface =
        object : SurfaceHolder.Callback {
            override fun surfaceCreated(holder: SurfaceHolder) {
                drawable = true
                film()
            }

            override fun surfaceChanged(holder: SurfaceHolder, format: Int, w: Int, h: Int) = Unit

            override fun surfaceDestroyed(holder: SurfaceHolder) {
                drawable = false
                film()
            }
        }

    private fun withCamera(request: Int, then: () -> Unit) {
        val permission = Manifest.permission.CAMERA
        if (checkSelfPermission(permission) == PackageManager.PERMISSION_GRANTED) then()
        else requestPermissions(arrayOf(permission), request)
    }

    private fun choosePhoto() {
        if (PhotoSources.choose().none { started(it, PhotoSources.CHOOSE) })
            session.report(NO_PICKER)
    }

    private fun takePhoto() {
        TakenPhotoProvider.file(applicationContext).delete()
        if (!started(PhotoSources.take(this), PhotoSources.TAKE)) session.report(NO_CAMERA)
    }

    private fun started(request: Intent, code: Int): Boolean =
        try {
            startActivityForResult(request, code)
            true
        } catch (_: ActivityNotFoundException) {
            false
        } catch (_: SecurityException) {
            // Of an app that is there and does not let others in.
            false
        }

    private fun copyResult() {
        val text = resultText() ?: return
        getSystemService(ClipboardManager::class.java)
            .setPrimaryClip(ClipData.newPlainText(getString(R.string.result_subject), text))
        // From Android 13 on the system says it.
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU)
            Toast.makeText(this, R.string.copied, Toast.LENGTH_SHORT).show()
    }

    private fun shareResult() {
        share(R.string.result_subject, resultText() ?: return)
    }

    private fun shareVerdict() {
        share(R.string.share_subject, (session.state.verdict ?: return).toText())
    }

    private fun resultText(): String? {
        val version = packageManager.getPackageInfo(packageName, 0).versionName.orEmpty()
        return resultText(session.state, "$packageName $version", Device.facts())
    }

    private fun share(subject: Int, text: String) {
        val message =
            Intent(Intent.ACTION_SEND)
                .setType("text/plain")
                .putExtra(Intent.EXTRA_SUBJECT, getString(subject))
                .putExtra(Intent.EXTRA_TEXT, text)
        // The chooser says itself if no app takes text.
        startActivity(Intent.createChooser(message, getString(R.string.share)))
    }

    private companion object {
        const val ENGINE = "engine"
        const val THREADS = "threads"
        const val PHOTO = "photo"
        const val LIVE_PERMISSION = 1
        const val TAKE_PERMISSION = 2
        const val QUARTER = 90

        /** Pixels of a frame's shorter side, at least: what people take for a sharp picture. */
        const val SMALLEST = 480
        val NO_PICKER = Problem(R.string.no_picker_title, R.string.no_picker_hint)
        val NO_CAMERA = Problem(R.string.no_camera_title, R.string.no_camera_hint)
        val NO_ANSWER = Problem(R.string.unreadable_title, R.string.camera_failed_hint)
        val NOT_SHARED = Problem(R.string.not_shared_title, R.string.not_shared_hint)
    }
}
