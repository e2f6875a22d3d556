// swift-tools-version: 5.9
import PackageDescription

// The framework is built by scripts/apple.
let package = Package(
  name: "rwkv_mobile_flutter",
  platforms: [.macOS("11.0")],
  products: [.library(name: "rwkv-mobile-flutter", targets: ["rwkv_mobile_flutter"])],
  targets: [
    .target(
      name: "rwkv_mobile_flutter", dependencies: ["rwkv_mobile"], resources: [.process("PrivacyInfo.xcprivacy")]),
    .binaryTarget(name: "rwkv_mobile", path: "rwkv_mobile.xcframework"),
  ]
)
