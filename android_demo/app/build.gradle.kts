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

    // One flavour per choice of engines, so that an APK carries no runtime that it does not use.
    flavorDimensions += "engine"
    productFlavors {
        create("tflite") { dimension = "engine" }
        create("onnx") { dimension = "engine" }
        create("both") { dimension = "engine" }
    }
    // `tflite` and `onnx` hold the engines, `both` takes the two. The file that lists the engines
    // of a flavour is in the folder that only this flavour has.
    sourceSets {
        getByName("tflite") { kotlin.directories.add("src/tfliteOnly/kotlin") }
        getByName("onnx") { kotlin.directories.add("src/onnxOnly/kotlin") }
        getByName("both") {
            kotlin.directories.add("src/tflite/kotlin")
            kotlin.directories.add("src/onnx/kotlin")
        }
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
    implementation(project(":core"))

    "tfliteImplementation"(libs.litert)
    "onnxImplementation"(libs.onnxruntime.android)
    "bothImplementation"(libs.litert)
    "bothImplementation"(libs.onnxruntime.android)

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
}
