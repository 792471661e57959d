// Named here once, so that both modules are compiled by one version of each plug-in; `library` names
// its plug-in without a version. The Android plug-in brings its own Kotlin support; naming Kotlin's
// plug-in too decides its version.
plugins {
    alias(libs.plugins.android.application) apply false
    alias(libs.plugins.android.library) apply false
    alias(libs.plugins.kotlin.jvm) apply false
}
