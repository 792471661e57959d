import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.toVersion(libs.versions.jvmTarget.get())
    targetCompatibility = JavaVersion.toVersion(libs.versions.jvmTarget.get())
}

kotlin {
    explicitApi()
    compilerOptions { jvmTarget = JvmTarget.fromTarget(libs.versions.jvmTarget.get()) }
}

dependencies {
    testImplementation(libs.junit)
}

// The tests read what they share with the toolchain's Python tests.
tasks.test { systemProperty("mobiledeploy.golden", rootDir.resolve("../tests/golden").path) }
