// A library on its own: copy this folder into any Android project and `include(":library")`. It uses
// no version catalogue. It brings no runtime: the app adds one, or both.
plugins {
    id("com.android.library")
}

android {
    namespace = "dev.mobiledeploy.android"
    compileSdk = 36

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    testOptions {
        // They read files of the toolchain's own tests: `pytest -m android` runs them.
        unitTests.all { it.enabled = false }
    }
}

kotlin { explicitApi() }

dependencies {
    compileOnly("com.google.ai.edge.litert:litert:1.4.2")
    compileOnly("com.microsoft.onnxruntime:onnxruntime-android:1.29.0")

    testImplementation("junit:junit:4.13.2")
}
