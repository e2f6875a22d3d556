// The shape of what example/lib/main.dart uses of Flutter, so that the app is type-checked where there is no Flutter. It
// shows nothing and does nothing.
// ignore_for_file: avoid_unused_constructor_parameters

typedef VoidCallback = void Function();

void runApp(Widget app) {}

class Key {}

abstract class BuildContext {}

abstract class Widget {
  const Widget({this.key});
  final Key? key;
}

abstract class StatelessWidget extends Widget {
  const StatelessWidget({super.key});
  Widget build(BuildContext context);
}

abstract class StatefulWidget extends Widget {
  const StatefulWidget({super.key});
  State createState();
}

abstract class State<T extends StatefulWidget> {
  bool get mounted => false;
  void initState() {}
  void dispose() {}
  void setState(VoidCallback change) => change();
  Widget build(BuildContext context);
}

abstract mixin class WidgetsBindingObserver {
  void didHaveMemoryPressure() {}
}

abstract class WidgetsBinding {
  static WidgetsBinding get instance => throw UnsupportedError('There is no Flutter.');
  void addObserver(WidgetsBindingObserver observer);
  bool removeObserver(WidgetsBindingObserver observer);
}

class _Shown extends Widget {
  const _Shown({super.key});
}

class MaterialApp extends _Shown {
  const MaterialApp({super.key, String title = '', ThemeData? theme, Widget? home});
}

class ThemeData {
  ThemeData({Color? colorSchemeSeed});
}

class Color {
  const Color(int value);
}

abstract final class Colors {
  static const Color indigo = Color(0);
}

class Scaffold extends _Shown {
  const Scaffold({super.key, Widget? appBar, Widget? body});
}

class AppBar extends _Shown {
  const AppBar({super.key, Widget? title});
}

class Text extends _Shown {
  const Text(String data, {super.key});
}

class SelectableText extends _Shown {
  const SelectableText(String data, {super.key});
}

class SafeArea extends _Shown {
  const SafeArea({required Widget child, super.key});
}

class Column extends _Shown {
  const Column({super.key, List<Widget> children = const []});
}

class Expanded extends _Shown {
  const Expanded({required Widget child, super.key});
}

class Padding extends _Shown {
  const Padding({required EdgeInsets padding, super.key, Widget? child});
}

class EdgeInsets {
  const EdgeInsets.all(double value);
}

class Align extends _Shown {
  const Align({super.key, Alignment alignment = Alignment.centerLeft, Widget? child});
}

enum Alignment { centerLeft, centerRight }

class Card extends _Shown {
  const Card({super.key, EdgeInsets? margin, Widget? child});
}

class ListView extends _Shown {
  ListView.builder({
    required Widget? Function(BuildContext context, int index) itemBuilder,
    super.key,
    ScrollController? controller,
    int? itemCount,
  });
}

class ScrollController {
  bool get hasClients => false;
  ScrollPosition get position => ScrollPosition();
  void jumpTo(double value) {}
  void dispose() {}
}

class ScrollPosition {
  double get maxScrollExtent => 0;
}

class TextEditingController {
  String text = '';
  void clear() => text = '';
  void dispose() {}
}

class TextField extends _Shown {
  const TextField({
    super.key,
    TextEditingController? controller,
    void Function(String value)? onSubmitted,
    InputDecoration? decoration,
  });
}

class InputDecoration {
  const InputDecoration({String? labelText, OutlineInputBorder? border, Widget? suffixIcon});
}

class OutlineInputBorder {
  const OutlineInputBorder();
}

class TextButton extends _Shown {
  const TextButton({required VoidCallback? onPressed, required Widget child, super.key});
}

class IconButton extends _Shown {
  const IconButton({required Widget icon, required VoidCallback? onPressed, super.key});
}

class Icon extends _Shown {
  const Icon(IconData icon, {super.key});
}

class IconData {
  const IconData(int codePoint);
}

abstract final class Icons {
  static const IconData folder_open = IconData(0);
  static const IconData send = IconData(1);
}
