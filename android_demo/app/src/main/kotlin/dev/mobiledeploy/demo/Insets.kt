package dev.mobiledeploy.demo

import android.graphics.Rect
import android.os.Build
import android.view.View
import android.view.WindowInsets

/**
 * Keeps the content of [root] clear of the system's bars and the camera's cut-out.
 *
 * From Android 15 on, apps are drawn edge to edge whether they ask for it or not.
 */
internal fun keepClearOfBars(root: View) {
    root.setOnApplyWindowInsetsListener { view, insets ->
        val bars = bars(insets)
        view.setPadding(bars.left, bars.top, bars.right, bars.bottom)
        insets
    }
}

private fun bars(insets: WindowInsets): Rect {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
        val bars =
            insets.getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout())
        return Rect(bars.left, bars.top, bars.right, bars.bottom)
    }
    @Suppress("DEPRECATION") // Their replacement came with Android 11.
    return Rect(
        insets.systemWindowInsetLeft,
        insets.systemWindowInsetTop,
        insets.systemWindowInsetRight,
        insets.systemWindowInsetBottom,
    )
}
