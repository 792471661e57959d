package dev.mobiledeploy.demo

import android.content.res.Resources
import java.io.InputStream

/** Drawn digits that lie in the app, for models that read digits: the first run needs nothing. */
internal object Samples {
    private val DIGITS = ('0'..'9').map { it.toString() }

    /** Raw resources with PNG files that a model of these [labels] knows; none for most models. */
    fun of(labels: List<String>): List<Int> =
        if (labels == DIGITS) listOf(R.raw.sample_0, R.raw.sample_2, R.raw.sample_3, R.raw.sample_7)
        else emptyList()
}

/** A sample as a photo: it is read as one of another app would be. */
internal class SamplePhoto(private val resources: Resources, private val id: Int) : PhotoSource {
    override fun facts(): SourceFacts = SourceFacts(local = true)

    override fun open(): InputStream = resources.openRawResource(id)

    override fun cancel() = Unit
}
