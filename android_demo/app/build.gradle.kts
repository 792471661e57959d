plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "dev.mobiledeploy.demo"
    compileSdk { version = release(libs.versions.androidCompileSdk.get().toInt()) }

    defaultConfig {
        applicationId = "dev.mobiledeploy.demo"
        minSdk { version = release(libs.versions.androidMinSdk.get().toInt()) }
        targetSdk { version = release(libs.versions.androidTargetSdk.get().toInt()) }
        versionCode = 1
        versionName = "1.0"
    }

    // One flavour per choice of engines, so that an APK carries no runtime that it does not use. Each
    // lists its engines in a file of its own, `CompiledEngines.kt`.
    flavorDimensions += "engine"
    productFlavors {
        create("tflite") { dimension = "engine" }
        create("onnx") { dimension = "engine" }
        create("both") { dimension = "engine" }
    }

    androidResources {
        // Deflated, a model could not be mapped into memory.
        noCompress += listOf("tflite", "onnx", "npz")
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(
                getDefaultProguardFile("proguard-android-optimize.txt"),
                "proguard-rules.pro",
            )
            // A demo is installed by hand: signed like a debug build. Use your own key to publish.
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.toVersion(libs.versions.jvmTarget.get())
        targetCompatibility = JavaVersion.toVersion(libs.versions.jvmTarget.get())
    }

    testOptions {
        // They need a build and the engines' desktop libraries: `pytest -m android` runs them.
        unitTests.all { it.enabled = false }
    }
}

dependencies {
    implementation(project(":library"))

    "tfliteImplementation"(libs.litert)
    "onnxImplementation"(libs.onnxruntime.android)
    "bothImplementation"(libs.litert)
    "bothImplementation"(libs.onnxruntime.android)

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
}
