package dev.mobiledeploy.demo

import android.content.ClipboardManager
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.os.Parcel
import android.os.Parcelable
import android.provider.MediaStore
import android.provider.OpenableColumns
import android.view.View
import android.view.ViewGroup
import java.io.File
import java.io.FileNotFoundException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.GraphicsMode

/** Photos that are taken, shared and lie in the app; results that leave it. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class GivenPhotosTest {
    private val context: Context = RuntimeEnvironment.getApplication()

    @Test
    fun aTakenPhotoHasAllItsPixels() =
        Phone().use {
            it.choose(TestFiles.turned)
            val chosen = it.answers()
            val height = it.photo()!!.drawable.intrinsicHeight
            it.choose(TestFiles.upright)
            it.press(R.id.take)
            val request = shadowOf(it.activity).nextStartedActivityForResult.intent
            assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, request.action)
            val place = request.clipData!!.getItemAt(0).uri
            assertEquals(
                place,
                request.getParcelableExtra(MediaStore.EXTRA_OUTPUT, Uri::class.java),
            )
            assertTrue(request.flags and Intent.FLAG_GRANT_WRITE_URI_PERMISSION != 0)
            // The camera app writes through the provider, as on a phone.
            val provider = provider()
            provider.openFile(place, "w").use { file ->
                java.io.FileOutputStream(file.fileDescriptor).use { out ->
                    out.write(TestFiles.turned.readBytes())
                }
            }
            it.answer(request, Intent())
            it.settle()
            assertNull(it.problem())
            assertEquals(chosen, it.answers())
            assertEquals(height, it.photo()!!.drawable.intrinsicHeight)
            assertFalse("the photo has moved", TakenPhotoProvider.file(context).exists())
        }

    @Test
    fun aRefusedCameraIsSaidInWordsAndAsksForNothingElse() =
        Phone().use {
            it.settle()
            it.refuseCamera()
            it.press(R.id.take)
            val started = shadowOf(it.activity).nextStartedActivityForResult.intent
            assertTrue("$started", started.action!!.endsWith("REQUEST_PERMISSIONS"))
            val asked = shadowOf(it.activity).lastRequestedPermission
            assertEquals(listOf("android.permission.CAMERA"), asked.requestedPermissions.toList())
            it.activity.onRequestPermissionsResult(
                asked.requestCode,
                asked.requestedPermissions,
                intArrayOf(-1),
            )
            assertEquals("The camera may not be used", it.problem()?.first)
            it.choose(TestFiles.upright)
            assertNull(it.problem())
        }

    @Test
    fun theProviderLeadsToOneFileOnly() {
        val provider = provider()
        val place = TakenPhotoProvider.uri(context)
        for (path in listOf("/", "/photo", "/../photo", "/photo.jpg/..", "/%2e%2e/photo")) {
            val uri = Uri.parse("content://${place.authority}$path")
            assertThrows(path, FileNotFoundException::class.java) { provider.openFile(uri, "r") }
        }
        TakenPhotoProvider.file(context).writeBytes(ByteArray(7))
        provider.query(place, null, null, null, null).use { cursor ->
            assertTrue(cursor.moveToFirst())
            assertEquals(7, cursor.getInt(cursor.getColumnIndexOrThrow(OpenableColumns.SIZE)))
        }
        assertEquals(0, provider.delete(place, null, null))
        val info = context.packageManager.getPackageInfo(context.packageName, 8).providers!!.single()
        assertEquals(TakenPhotoProvider.authority(context), info.authority)
        assertFalse("exported", info.exported)
        assertTrue(info.grantUriPermissions)
    }

    @Test
    fun aSharedPhotoIsClassified() {
        val uri = register(TestFiles.upright)
        Phone(intent = share(uri)).use {
            it.settle()
            assertNull(it.problem())
            val answers = it.answers()
            assertEquals(5, answers.size)
            it.send(share(register(TestFiles.turned)))
            it.settle()
            assertTrue("another photo", answers != it.answers())
        }
    }

    @Test
    fun turningThePhoneDoesNotShareAgain() {
        Phone(intent = share(register(TestFiles.upright))).use {
            it.settle()
            it.choose(TestFiles.turned)
            val answers = it.answers()
            it.configure("w740dp-h360dp-land")
            assertEquals(answers, it.answers())
        }
    }

    @Test
    fun hostileIntentsAreRefusedInWords() {
        val own = File(context.cacheDir, "photo").apply { writeBytes(TestFiles.upright.readBytes()) }
        val cases: List<Intent> =
            listOf(
                Intent(Intent.ACTION_SEND),
                share(Uri.fromFile(own)),
                share(Uri.parse("")),
                share(Uri.parse("http://example.org/a.jpg")),
                share(TakenPhotoProvider.uri(context)),
                share(Uri.parse("content://0@${context.packageName}.taken/photo.jpg")),
                Intent(Intent.ACTION_SEND).putExtra(Intent.EXTRA_STREAM, "a text"),
                Intent(Intent.ACTION_SEND)
                    .putParcelableArrayListExtra(Intent.EXTRA_STREAM, arrayListOf(Uri.EMPTY)),
                Intent(Intent.ACTION_SEND).putExtras(throwing()),
            )
        for (intent in cases) Phone(intent = intent).use {
            it.settle()
            assertEquals("$intent", "Nothing that can be read was shared", it.problem()?.first)
            assertNull(it.photo())
        }
        Phone(intent = Intent("a.b.NONSENSE").setData(Uri.fromFile(own))).use {
            it.settle()
            assertNull(it.problem())
            assertNull(it.photo())
        }
    }

    @Test
    fun samplesLieInTheAppAndAreRecognised() =
        Phone().use {
            it.settle()
            val samples = it.find<ViewGroup>(R.id.samples).children()
            assertEquals(4, samples.size)
            assertEquals(
                listOf("Sample photo 1", "Sample photo 2", "Sample photo 3", "Sample photo 4"),
                samples.map(View::getContentDescription),
            )
            for ((sample, digit) in samples.zip(listOf("0", "2", "3", "7"))) {
                for (engine in listOf("LiteRT", "ONNX Runtime")) {
                    it.press(R.id.engines, engine)
                    sample.performClick()
                    it.settle()
                    assertNull(it.problem())
                    assertNotNull(it.photo())
                    assertEquals(digit, it.text(R.id.status))
                }
            }
        }

    @Test
    fun modelsOfOtherThingsHaveNoSamples() {
        assertTrue(Samples.of(listOf("cat", "dog")).isEmpty())
        assertTrue(Samples.of(List(10) { "${9 - it}" }).isEmpty())
    }

    @Test
    fun theResultCanBeCopiedAndSharedWithWhatItCameFrom() =
        Phone().use {
            it.choose(TestFiles.upright)
            it.press(R.id.copy_result)
            val clipboard = context.getSystemService(ClipboardManager::class.java)
            val copied = clipboard.primaryClip!!.getItemAt(0).text.toString()
            val lines = copied.lines()
            assertEquals(10, lines.size)
            assertEquals(it.text(R.id.status), lines[0].substringBefore(' '))
            assertTrue(lines[5], Regex("model: \\S+, contract [0-9a-f]{64}").matches(lines[5]))
            assertTrue(lines[6], Regex("engine: LiteRT [0-9.]+, 1 thread").matches(lines[6]))
            assertTrue(lines[7], lines[7].startsWith("time: "))
            assertTrue(lines[8], lines[8].startsWith("app: dev.mobiledeploy.demo 1."))
            assertTrue(lines[9], lines[9].contains("abi "))
            it.press(R.id.share_result)
            val chooser = shadowOf(it.activity).nextStartedActivity
            val sent = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
            assertEquals(copied, sent.getStringExtra(Intent.EXTRA_TEXT))
            it.press(R.id.counts, "1")
            it.press(R.id.copy_result)
            assertEquals(6, clipboard.primaryClip!!.getItemAt(0).text.lines().size)
        }

    @Test
    fun theAboutScreenHoldsTheLicences() {
        Phone().use {
            it.settle()
            it.press(R.id.about)
            val started = shadowOf(it.activity).nextStartedActivity
            assertEquals(AboutActivity::class.java.name, started.component!!.className)
        }
        Robolectric.buildActivity(AboutActivity::class.java).setup().use {
            val root = it.get().window.decorView
            assertTrue(root.text(R.id.about_title).startsWith("Model Check 1."))
            val licences = root.text(R.id.licences_text)
            for (part in
                listOf(
                    "LiteRT",
                    "ONNX Runtime",
                    "Kotlin standard library",
                    "Permission is hereby granted, free of charge",
                    "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
                )) assertTrue(part, licences.contains(part))
        }
    }

    private fun provider(): TakenPhotoProvider =
        Robolectric.setupContentProvider(
            TakenPhotoProvider::class.java,
            TakenPhotoProvider.authority(context),
        )

    private fun register(file: File): Uri {
        val uri = Uri.parse("content://gallery/${file.name}")
        shadowOf(context.contentResolver).registerInputStreamSupplier(uri) { file.inputStream() }
        return uri
    }

    private fun share(uri: Uri): Intent =
        Intent(Intent.ACTION_SEND).setType("image/*").putExtra(Intent.EXTRA_STREAM, uri)

    /** Extras of a class that this app cannot read. */
    private fun throwing(): Bundle {
        val parcel = Parcel.obtain()
        parcel.writeBundle(Bundle().apply { putParcelable(Intent.EXTRA_STREAM, Unknown()) })
        parcel.setDataPosition(0)
        return parcel.readBundle(null)!!
    }

    /** Has no CREATOR: reading it throws. */
    private class Unknown : Parcelable {
        override fun describeContents(): Int = 0

        override fun writeToParcel(out: Parcel, flags: Int) = out.writeInt(1)
    }
}
