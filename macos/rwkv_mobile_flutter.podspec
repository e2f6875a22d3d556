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
end
