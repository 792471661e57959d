package dev.mobiledeploy.demo

import android.content.res.Resources

/**
 * What the screen says when something cannot be done: what happened, and what to do.
 *
 * @property title a string resource.
 * @property hint a string resource.
 * @property arguments of the hint.
 * @property engine the engine that the title names, if it names one.
 */
internal data class Problem(
    val title: Int,
    val hint: Int,
    val arguments: List<String> = emptyList(),
    val engine: String? = null,
) {
    fun title(resources: Resources): String =
        if (engine == null) resources.getString(title) else resources.getString(title, engine)

    fun hint(resources: Resources): String = resources.getString(hint, *arguments.toTypedArray())
}

/** Thrown on the worker, shown on the screen. */
internal class ProblemException(val problem: Problem, cause: Throwable? = null) : Exception(cause)
