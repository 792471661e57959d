package dev.mobiledeploy.demo

import android.app.Activity
import android.os.Bundle
import android.view.View
import android.widget.TextView

/** What this app is, and the licences of what is inside. */
internal class AboutActivity : Activity() {
    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.about)
        keepClearOfBars(findViewById<View>(R.id.root))
        val version = packageManager.getPackageInfo(packageName, 0).versionName
        findViewById<TextView>(R.id.about_title).text =
            listOfNotNull(getString(R.string.app_name), version).joinToString(" ")
        findViewById<TextView>(R.id.licences_text).text =
            resources.openRawResource(R.raw.licences).use { it.reader().readText() }
    }
}
