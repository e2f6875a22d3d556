# For apps that still use CocoaPods. The framework is built by scripts/apple.
Pod::Spec.new do |s|
  s.name = 'rwkv_mobile_flutter'
  s.version = File.read(File.join(__dir__, '..', 'VERSION')).strip
  s.summary = 'Runs RWKV language models on the device.'
  s.homepage = 'https://github.com/MollySophia/rwkv_mobile_flutter'
  s.license = { :type => 'Apache-2.0', :file => '../LICENSE' }
  s.author = 'The rwkv_mobile_flutter developers'
  s.source = { :path => '.' }
  s.platform = :osx, '11.0'
  s.swift_version = '5.9'
  s.dependency 'FlutterMacOS'
  s.source_files = 'rwkv_mobile_flutter/Sources/rwkv_mobile_flutter/**/*.swift'
  s.vendored_frameworks = 'rwkv_mobile_flutter/rwkv_mobile.xcframework'
  s.resource_bundles = {
    'rwkv_mobile_flutter_privacy' => ['rwkv_mobile_flutter/Sources/rwkv_mobile_flutter/PrivacyInfo.xcprivacy']
  }
  # The framework has no code for Intel's processors, so neither the pod nor the app is built for them.
  s.pod_target_xcconfig = { 'DEFINES_MODULE' => 'YES', 'EXCLUDED_ARCHS' => 'x86_64' }
  s.user_target_xcconfig = { 'EXCLUDED_ARCHS' => 'x86_64' }
end
