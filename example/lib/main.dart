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

class _ChatPageState extends State<ChatPage> {
  final _path = TextEditingController();
  final _input = TextEditingController();
  final _scroll = ScrollController();

  /// Turns of the user and the model in alternation.
  final List<String> _turns = [];
  String _status = 'Enter the path of a GGUF model.';
  Rwkv? _rwkv;
  RwkvModel? _model;
  StreamSubscription<RwkvEvent>? _answer;

  @override
  void initState() {
    super.initState();
    unawaited(_attach());
  }

  @override
  void dispose() {
    unawaited(_answer?.cancel());
    unawaited(_rwkv?.close());
    _path.dispose();
    _input.dispose();
    _scroll.dispose();
    super.dispose();
  }

  /// After a hot restart the model is still loaded.
  Future<void> _attach() => _try(() async {
    final rwkv = _rwkv = await Rwkv.open();
    final loaded = await rwkv.models();
    if (loaded.isEmpty) return;
    setState(() {
      _model = loaded.first;
      _status = loaded.first.path;
    });
  });

  Future<void> _load() => _try(() async {
    final model = await _rwkv!.load(
      _path.text,
      onProgress: (progress) {
        setState(() => _status = 'Loading ${(100 * progress).round()} %');
      },
    );
    setState(() {
      _model = model;
      _status = model.path;
    });
  });

  Future<void> _try(Future<void> Function() action) async {
    try {
      await action();
    } on RwkvException catch (e) {
      if (mounted) setState(() => _status = e.message);
    }
  }

  void _send() {
    final text = _input.text.trim();
    final model = _model;
    if (text.isEmpty || model == null || _answer != null) return;
    _input.clear();
    setState(() => _turns.add(text));
    final question = [..._turns];
    _turns.add('');
    _answer = model
        .chat(question)
        .listen(
          _onEvent,
          onError: (Object error) {
            final message = error is RwkvException ? error.message : '$error';
            setState(() => _status = message);
          },
          onDone: () => setState(() => _answer = null),
        );
  }

  void _onEvent(RwkvEvent event) {
    setState(() {
      switch (event) {
        case RwkvText(:final text):
          _turns.last += text;
        case RwkvProgress(:final progress):
          _status = 'Reading ${(100 * progress).round()} %';
        case RwkvEnd(:final reason, :final decodeSpeed):
          _status =
              '${reason.name}, ${decodeSpeed?.toStringAsFixed(1)} tokens/s';
      }
    });
    if (_scroll.hasClients) _scroll.jumpTo(_scroll.position.maxScrollExtent);
  }

  Future<void> _stop() async {
    await _answer?.cancel();
    if (mounted) setState(() => _answer = null);
  }

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
        child: SelectableText(text),
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
