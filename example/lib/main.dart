// A chat with a model on the device.
import 'dart:async';

import 'package:flutter/material.dart';
import 'package:rwkv_mobile_flutter/rwkv_client.dart';

void main() => runApp(
  MaterialApp(
    title: 'RWKV chat',
    theme: ThemeData(colorSchemeSeed: Colors.indigo),
    home: const ChatPage(),
  ),
);

class ChatPage extends StatefulWidget {
  const ChatPage({super.key});

  @override
  State<ChatPage> createState() => _ChatPageState();
}

class _ChatPageState extends State<ChatPage> with WidgetsBindingObserver {
  final _path = TextEditingController();
  final _input = TextEditingController();
  final _scroll = ScrollController();

  /// Turns of the user and the model in alternation. The first is empty when it
  /// was lost in a hot restart.
  final List<String> _turns = [];
  String _status = 'Enter the path of a GGUF model.';
  Rwkv? _rwkv;
  RwkvModel? _model;
  StreamSubscription<RwkvEvent>? _answer;

  @override
  void initState() {
    super.initState();
    WidgetsBinding.instance.addObserver(this);
    unawaited(_attach());
  }

  @override
  void dispose() {
    WidgetsBinding.instance.removeObserver(this);
    unawaited(_close());
    _path.dispose();
    _input.dispose();
    _scroll.dispose();
    super.dispose();
  }

  /// The answer first: it is stopped through the connection.
  Future<void> _close() async {
    await _answer?.cancel();
    await _rwkv?.close();
  }

  /// Only speed is lost: what was remembered is read again.
  @override
  void didHaveMemoryPressure() => unawaited(
    _try(() async => _rwkv?.releaseMemory(MemoryPressure.low)),
  );

  /// After a hot restart the model is still loaded, and goes on with what it was
  /// writing.
  Future<void> _attach() => _try(() async {
    final rwkv = _rwkv = await Rwkv.open();
    final loaded = await rwkv.models();
    if (!mounted || loaded.isEmpty) return;
    _use(loaded.first);
    _follow('', loaded.first.attach());
  });

  Future<void> _load() => _try(() async {
    final rwkv = _rwkv ??= await Rwkv.open();
    final model = await rwkv.load(
      _path.text,
      onProgress:
          (progress) =>
              _show(() => _status = 'Loading ${(100 * progress).round()} %'),
    );
    _use(model);
  });

  void _use(RwkvModel model) => _show(() {
    _model = model;
    _status = model.path;
  });

  Future<void> _try(Future<void> Function() action) async {
    try {
      await action();
    } on RwkvException catch (e) {
      _show(() => _status = e.message);
    }
  }

  /// What comes late may find the page gone.
  void _show(VoidCallback change) {
    if (mounted) setState(change);
  }

  void _send() {
    final text = _input.text.trim();
    final model = _model;
    if (text.isEmpty || model == null || _answer != null) return;
    _input.clear();
    final known = _turns.skip(_turns.firstOrNull == '' ? 2 : 0);
    _follow(text, model.chat([...known, text]));
  }

  /// Shows the [answer] to [question] as it comes. One that failed or stayed
  /// empty is no turn: it goes, and the question can be sent again.
  void _follow(String question, Stream<RwkvEvent> answer) {
    void takeBack() {
      _turns.length -= 2;
      _input.text = question;
    }

    setState(() {
      _turns.addAll([question, '']);
      _answer = answer.listen(
        _onEvent,
        onError:
            (Object error) => _show(() {
              _status = error is RwkvException ? error.message : '$error';
              takeBack();
            }),
        onDone:
            () => _show(() {
              _answer = null;
              if (_turns.isNotEmpty && _turns.last.isEmpty) takeBack();
            }),
      );
    });
  }

  void _onEvent(RwkvEvent event) {
    _show(() {
      switch (event) {
        case RwkvText(:final text):
          _turns.last += text;
        case RwkvProgress(:final progress):
          _status = 'Reading ${(100 * progress).round()} %';
        case RwkvEnd(:final reason, decodeSpeed: final speed?):
          _status = '${reason.name}, ${speed.toStringAsFixed(1)} tokens/s';
        case RwkvEnd(:final reason):
          _status = reason.name;
      }
    });
    if (_scroll.hasClients) _scroll.jumpTo(_scroll.position.maxScrollExtent);
  }

  Future<void> _stop() => _try(() async => _model?.stop());

  @override
  Widget build(BuildContext context) => Scaffold(
    appBar: AppBar(title: const Text('RWKV chat')),
    body: SafeArea(
      child: Column(
        children: [
          Padding(padding: const EdgeInsets.all(8), child: Text(_status)),
          Expanded(
            child: ListView.builder(
              controller: _scroll,
              itemCount: _turns.length,
              itemBuilder:
                  (context, index) => _Turn(_turns[index], index.isEven),
            ),
          ),
          if (_model == null)
            _Entry(_path, 'Model file', Icons.folder_open, _load)
          else if (_answer == null)
            _Entry(_input, 'Message', Icons.send, _send)
          else
            TextButton(onPressed: _stop, child: const Text('Stop')),
        ],
      ),
    ),
  );
}

class _Turn extends StatelessWidget {
  const _Turn(this.text, this.fromUser);

  final String text;
  final bool fromUser;

  @override
  Widget build(BuildContext context) => Align(
    alignment: fromUser ? Alignment.centerRight : Alignment.centerLeft,
    child: Card(
      margin: const EdgeInsets.all(8),
      child: Padding(
        padding: const EdgeInsets.all(12),
        child: SelectableText(text.isEmpty ? '…' : text),
      ),
    ),
  );
}

class _Entry extends StatelessWidget {
  const _Entry(this.controller, this.label, this.icon, this.onSend);

  final TextEditingController controller;
  final String label;
  final IconData icon;
  final VoidCallback onSend;

  @override
  Widget build(BuildContext context) => Padding(
    padding: const EdgeInsets.all(8),
    child: TextField(
      controller: controller,
      onSubmitted: (_) => onSend(),
      decoration: InputDecoration(
        labelText: label,
        border: const OutlineInputBorder(),
        suffixIcon: IconButton(icon: Icon(icon), onPressed: onSend),
      ),
    ),
  );
}
